"""GGL: gradient matching over a generator's latents by an evolution strategy."""

import math
from math import prod

import torch
from torch import Tensor

from spear.attack import Progress
from spear.baselines.generative.attack import MODELS, GeneratedProblem, GenerativeAttack
from spear.baselines.generative.generator import Generator
from spear.baselines.ggl.evolution import CMAES, Array, Evolution
from spear.baselines.ggl.latent_prior import divergence
from spear.baselines.gradient_matching.descent import Best
from spear.baselines.gradient_matching.labels import Labels
from spear.baselines.gradient_matching.matching_attack import Found
from spear.baselines.gradient_matching.objectives import Objective, SquaredDistance
from spear.baselines.gradient_matching.transforms import Transformed
from spear.budget import Budget
from spear.errors import ConfigError
from spear.reconstruction import Status
from spear.settings import check_weights
from spear.update import Update


class GGL(GenerativeAttack):
    """GGL (Li et al., "Auditing Privacy Defenses in Federated Learning via Generative Gradient
    Leakage", CVPR 2022, arXiv 2203.15696): an estimate, never a proof.

    CMA-ES searches the latents of all images of the batch together, so that the network needs no
    second derivatives. The objective is the squared distance of gradients, divided by the number of
    parameters' gradients, plus `weight` times the KL divergence of the latents' entries from
    standard normal ones (`divergence`), mean over the images. A known defense is repeated on the
    candidates. In the authors' code, CMA-ES has tanh of the latents in place of the divergence.

    Args:
        generator, time_limit, device: see `GenerativeAttack`.
        objective: `SquaredDistance` unless given.
        labels: as there, but none may be optimised.
        evolution: the search; `CMAES` unless given.
        weight: of the divergence.

    Raises:
        ConfigError: a setting is out of range, or `generator` is not a `Generator`.
    """

    def __init__(
        self,
        generator: Generator,
        objective: Objective | None = None,
        labels: Labels | None = None,
        evolution: Evolution | None = None,
        weight: float = 0.1,
        time_limit: float | None = None,
        device: str = "cpu",
    ) -> None:
        distance = objective or Transformed(SquaredDistance())
        super().__init__(generator, distance, {}, labels, time_limit, device)
        check_weights(weight=weight)
        self.evolution = evolution or CMAES()
        self.weight = weight

    def search(self, update: Update, seed: int, budget: Budget) -> Found:
        """Run the evolution strategy.

        `details` has the objective and the distance of gradients of what is returned, and the
        number of evaluations. If interrupted from the keyboard, it returns the best so far.

        Raises:
            VictimError: the objective is finite nowhere.
            ConfigError: the labels are optimised with the images.
            SpearError: see `GeneratedProblem`.
        """
        latents = _Latents(self, update, seed)
        status, evaluations, most = Status.ESTIMATED, 0, self.evolution.evaluations
        try:
            for evaluations in self.evolution(latents.value, latents.size, seed):
                note = f"objective {latents.best.total:.4g}"
                budget.report(Progress(evaluations, most, "evaluations", note))
                if budget.over():
                    status = Status.TIMED_OUT
                    break
        except KeyboardInterrupt:
            if latents.best.inputs is None:
                raise
            status = Status.INTERRUPTED
        inputs, details = latents.found()
        details["evaluations"] = float(evaluations)
        labels = latents.problem.recovered_labels(latents.best)
        return Found(inputs, status, details, labels)


class _Latents:
    """The objective of one update as a function of latents, and the best of them so far.

    Args:
        attack: its settings.
        update: a copy for this search alone.
        seed: of the labels, if they are random.
    """

    def __init__(self, attack: GGL, update: Update, seed: int) -> None:
        self.problem = GeneratedProblem(attack, update, seed)
        self.best = Best()
        self._weight = attack.weight
        self._shape = self.problem.latents().shape
        if self.problem.targets.variables:
            raise ConfigError(
                "labels are optimised with the images, which GGL does not; expected GivenLabels, "
                "or labels that are recovered first, such as CountedLabels."
            )
        self.size = prod(self._shape)

    def value(self, candidate: Array) -> float:
        """The objective at latents (size), infinite where it is not finite."""
        latents = torch.from_numpy(candidate).to(self.problem.like).view(self._shape)
        with torch.no_grad():
            inputs = self.problem.prior.inputs(0, latents)
        value = self.problem(inputs)
        distance = value.distance.detach() / len(self.problem.update.gradients)
        total = float(distance + self._weight * divergence(latents).mean())
        self.best.offer(total, distance, inputs, value.targets)
        return total if math.isfinite(total) else math.inf

    def found(self) -> tuple[Tensor, dict[str, float]]:
        """The inputs (b x domain.shape) of the lowest objective, and what is known of them."""
        inputs = self.problem.update.domain.clamp(self.best.reached("GGL", MODELS))
        details = {"objective": self.best.total, "distance": self.best.distance}
        return inputs, details
