"""From recovered features of a convolutional network to the images that have them (Sec. 6.4)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from spear.attack import Attack, ProgressCallback
from spear.baselines.feature_inversion.pairing import paired_labels
from spear.baselines.gradient_matching.checks import check_derivatives
from spear.baselines.gradient_matching.descent import Descent, Start
from spear.baselines.gradient_matching.initialisation import Normal
from spear.baselines.gradient_matching.objectives import CosineDistance
from spear.baselines.gradient_matching.optimisers import Adam
from spear.baselines.gradient_matching.problem import Value
from spear.baselines.gradient_matching.schedules import Cosine
from spear.baselines.gradient_matching.total_variation import total_variation
from spear.baselines.gradient_matching.victim import Victim
from spear.budget import Budget
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation
from spear.observation import Observation
from spear.probing import layer_inputs
from spear.reconstruction import Reconstruction
from spear.settings import check_least, check_run, check_weights
from spear.update import Update, check_update
from spear.whole_update import WholeUpdateAttack


class FeatureInversion(WholeUpdateAttack):
    """Takes a linear layer's inputs, which another attack recovers, back to the network's inputs.

    From random images x, by Adam with a cosine schedule, within the range of images:

        mean_i (1 - cos(z_i, z(x_i))) + total_variation * (mean |dx| + mean |dy|)
        + matching * (1 - cosine between the gradients of x and those shared)

    where z_i are the recovered features and z(x) those of x. The feature inversion of Kariyappa et
    al. (ICML 2023), "CPA + FI" and "SPEAR + FI" in Table 6: "+ Geiping et al." with `matching`,
    which needs the labels; they are paired with the features by the recovered dL/dZ. If the
    network cannot make negative features, the sign of the recovered ones is ignored.

    Args:
        features: recovers the inputs of a linear layer.
        matching: weight of gradient matching; 0 leaves it out.
        total_variation: weight of smoothness, in the units that the network receives.
        learning_rate: of Adam, at the beginning.
        iterations: of Adam.
        time_limit: seconds per batch, those for the features included, after which the best images
            so far are returned; None for no limit.
        device: where to compute, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        features: Attack[Observation],
        matching: float = 1.0,
        total_variation: float = 0.1,
        learning_rate: float = 0.1,
        iterations: int = 25_000,
        time_limit: float | None = None,
        device: str = "cpu",
    ) -> None:
        check_weights(matching=matching, total_variation=total_variation)
        check_least(1, iterations=iterations)
        if features.layer is None:
            raise ConfigError("features attacks no linear layer; choose one that does.")
        self.features = features
        self._layer = features.layer
        self.matching = matching
        self.total_variation = total_variation
        self.iterations = iterations
        check_run(time_limit, device)
        self.time_limit = time_limit
        self.device = device
        self._optimiser = Adam(learning_rate, Cosine())

    @property
    def given_labels(self) -> bool:
        """Implement `spear.attack.Attack`."""
        return self.matching > 0

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            LayerError: the attack that recovers the features cannot attack its layer.
            VictimError: the network's outputs depend on chance or on the rest of a batch.
        """
        self.features.check(network, domain)
        super().check(network, domain)

    def observe(self, update: Update) -> Update:
        """The whole update; labels with `matching`.

        Raises:
            LayerError, VictimError: as of `check`.
            InvalidObservation: a gradient is not finite or not shaped like its parameter, or inputs
                are not images.
        """
        check_update(update)
        if self.total_variation and len(update.domain.shape) != 3:
            raise InvalidObservation(
                f"the network's inputs have shape {update.domain.shape}, but feature inversion "
                "smooths images of shape C x H x W; set total_variation to 0."
            )
        return super().observe(update)

    def __call__(
        self, observation: Update, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`.

        `details` has the lowest objective, the distance of features in it, iterations, and the
        seconds that the features took. If interrupted from the keyboard, it returns the best so
        far.

        Raises:
            InvalidObservation: not one label for each of the features, with `matching`.
            VictimError: the network cannot be differentiated twice, with `matching`.
        """
        budget = Budget(self.time_limit, progress)
        found = self.features(self.features.observe(observation), seed=seed, progress=progress)
        if found.batch_size == 0:
            return Reconstruction.empty(*observation.dimensions(None), found.status, budget.spent)
        update = observation.copied(self.device)
        descent = Descent(self.iterations, 1, budget, update.domain)
        status = descent(lambda: self._start(update, found, seed))
        if descent.best.inputs is None:
            raise InvalidObservation(
                "the objective of feature inversion is not finite at its random start; check that "
                "the network's parameters are."
            )
        details = {
            "objective": descent.best.total,
            "feature_distance": descent.best.distance,
            "iterations": float(descent.done),
            "feature_seconds": found.seconds,
        }
        inputs = descent.best.inputs.flatten(1).cpu()
        return Reconstruction.estimate(inputs, budget.spent, status, details)

    def _start(self, update: Update, found: Reconstruction, seed: int) -> Start:
        like = next(iter(update.gradients.values()))
        generator = torch.Generator().manual_seed(seed)
        random = Normal()(found.batch_size, update.domain, generator).to(like)
        inputs = update.domain.clamp(random).requires_grad_()
        evaluate = self._objective(update, found, inputs)
        if self.matching:
            check_derivatives(update.network, inputs, lambda: evaluate(inputs).total)
        step = self._optimiser.start([inputs], self.iterations)
        return Start(inputs, [], lambda: evaluate(inputs), step)

    def _objective(
        self, update: Update, found: Reconstruction, start: Tensor
    ) -> Callable[[Tensor], Value]:
        """The objective at images (b x C x H x W)."""
        layer, network = update.layer(self._layer), update.folded.network
        target = found.inputs.to(start)
        if (layer_inputs(network, layer.module, start) >= 0).all():
            target = target.abs()
        match = self._matched(update, found, layer.name) if self.matching else None

        def evaluate(images: Tensor) -> Value:
            terms = {}
            if match:
                distance, features = match(images)
                terms["matching"] = self.matching * distance
            else:
                features = layer_inputs(network, layer.module, images)
            if self.total_variation:
                terms["total_variation"] = self.total_variation * total_variation(images)
            apart = 1.0 - cosine_similarity(features, target, dim=1, eps=1e-10).mean()
            return Value(sum(terms.values(), apart), apart, terms)

        return evaluate

    def _matched(
        self, update: Update, found: Reconstruction, name: str
    ) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """From images to the distance of their gradients and the inputs of layer `name`."""
        labels = paired_labels(update, self._layer, found)
        victim = Victim(update)
        distance = CosineDistance().prepare(update.gradients)

        def match(images: Tensor) -> tuple[Tensor, Tensor]:
            evaluation = victim(images, labels)
            return distance(evaluation.gradients), evaluation.layer_inputs[name]

        return match
