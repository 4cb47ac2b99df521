"""The common part of attacks that search a generator's images for the shared gradient."""

from collections.abc import Mapping

import torch
from torch import Tensor

from spear.baselines.gifd.generator import Generator, Prior, parts
from spear.baselines.gradient_matching.checks import check_derivatives, check_labels, outputs
from spear.baselines.gradient_matching.labels import GivenLabels, Labels, Targets
from spear.baselines.gradient_matching.objectives import Objective
from spear.baselines.gradient_matching.problem import Problem, Value
from spear.baselines.gradient_matching.regularisers import Regulariser
from spear.reconstruction import Reconstruction
from spear.settings import check_run
from spear.update import Update
from spear.whole_update import WholeUpdateAttack


class GenerativeAttack(WholeUpdateAttack):
    """Base of the attacks with a generator, which differ in what they search and how.

    Args:
        generator: `spear.baselines.gifd.generator.Generator`.
        objective: distance of gradients.
        regularisers: further terms of the objective by name.
        labels: how the attack comes by them; `GivenLabels` unless given.
        time_limit: seconds per batch after which the best so far is returned; None for no limit.
        device: where to compute, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range, or `generator` is not a `Generator`.
    """

    def __init__(
        self,
        generator: Generator,
        objective: Objective,
        regularisers: Mapping[str, Regulariser],
        labels: Labels | None,
        time_limit: float | None,
        device: str,
    ) -> None:
        check_run(time_limit, device)
        parts(generator)
        self.generator = generator
        self.objective = objective
        self.regularisers = dict(regularisers)
        self.labels = labels or GivenLabels()
        self.time_limit = time_limit
        self.device = device

    @property
    def given_labels(self) -> bool:
        """Implement `spear.attack.Attack`."""
        return self.labels.given


class GeneratedProblem:
    """Maps images of a generator to the objective of one update.

    Args:
        attack: its settings.
        update: a copy for this problem alone (`Update.copied`).
        seed: of labels and latents.

    Raises:
        VictimError: the network does not take the domain's shape.
        InvalidObservation: the generator's images are not shaped like the network's inputs, whose
            range must be known; or labels or another part is missing.
        ConfigError: the generator cannot be run.

    Attributes:
        update: that copy.
        prior: the generator as a map into the network's inputs.
        like: precision and device of the search.
        targets: labels of the candidates, from the first `latents` on.
    """

    def __init__(self, attack: GenerativeAttack, update: Update, seed: int) -> None:
        self.update = update
        self.like = next(iter(update.gradients.values()))
        self.prior = Prior(attack.generator, update.domain, self.like)
        self.targets: Targets
        self._labels = attack.labels
        self._random = torch.Generator().manual_seed(seed)
        self._classes = outputs(update.network, self.like.new_zeros(1, *update.domain.shape))
        if attack.given_labels:
            check_labels(update.labels, self._classes.shape[-1])
        self._problem = Problem(update, attack.objective, attack.regularisers)

    def latents(self) -> Tensor:
        """Begin a restart: labels, and standard normal latents (b x latent_shape)."""
        self.targets = self._labels.start(self.update, self._classes, self._random)
        for variable in self.targets.variables:
            variable.requires_grad_()
        latents = torch.randn(self.targets.b, *self.prior.latent_shape, generator=self._random)
        return latents.to(self.like)

    def check_derivatives(self, latents: Tensor) -> None:
        """Refuse a network that cannot be differentiated twice.

        Raises:
            VictimError: naming its module.
        """
        first = self.prior.inputs(0, latents).detach().requires_grad_()
        check_derivatives(self.update.network, first, lambda: self(first).total)

    def __call__(self, inputs: Tensor) -> Value:
        """The objective at inputs of the network (b x domain.shape)."""
        return self._problem(inputs, self.targets.current())

    def labelled(self, found: Reconstruction) -> Reconstruction:
        """A reconstruction with its labels, if they were recovered before the search."""
        if self._labels.given or self.targets.variables:
            return found
        return self.targets.label(found, self._classes.shape[-1])
