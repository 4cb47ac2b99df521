"""GIAS: gradient matching over a generator's latents, then over its parameters."""

from collections.abc import Mapping

import torch
from torch import Tensor

from spear.baselines.generative.attack import MODELS, GeneratedProblem, GenerativeAttack
from spear.baselines.generative.generator import Generator
from spear.baselines.gradient_matching.descent import Best, Descent, Start
from spear.baselines.gradient_matching.labels import Labels
from spear.baselines.gradient_matching.matching_attack import Found
from spear.baselines.gradient_matching.objectives import Objective
from spear.baselines.gradient_matching.optimisers import Adam, Optimiser
from spear.baselines.gradient_matching.problem import Value
from spear.baselines.gradient_matching.regularisers import AbsoluteVariation, Regulariser
from spear.baselines.gradient_matching.schedules import StepDecay
from spear.baselines.gradient_matching.transforms import Transformed
from spear.budget import Budget
from spear.reconstruction import Status
from spear.settings import check_least
from spear.update import Update


class GIAS(GenerativeAttack):
    """GIAS (Jeon et al., "Gradient Inversion with Generative Image Prior", NeurIPS 2021, arXiv
    2110.14962): an estimate, never a proof.

    Gradient inversion to alternative spaces. The first search descends from random latents to those
    whose images have the shared gradient. The second one keeps the best latents and descends in the
    parameters of the generator, of which each image has a copy of its own, so that it reaches
    images that no latents give. The attack returns the images of the lowest objective.

    Args:
        generator: one with parameters; see `GenerativeAttack`.
        labels, time_limit, device: likewise.
        objective: `CosineDistance` unless given.
        regularisers: `AbsoluteVariation` of weight 1e-6 unless given.
        optimiser: of the latents; Adam at 0.03 with `StepDecay` unless given.
        parameter_optimiser: of the parameters; Adam at 0.001 with `StepDecay` unless given.
        latent_iterations: of each restart of the first search.
        iterations: of the second search.
        restarts: of the first search, each from its own latents.

    Raises:
        ConfigError: a setting is out of range, or `generator` is not a `Generator`.
    """

    def __init__(
        self,
        generator: Generator,
        objective: Objective | None = None,
        regularisers: Mapping[str, Regulariser] | None = None,
        labels: Labels | None = None,
        optimiser: Optimiser | None = None,
        parameter_optimiser: Optimiser | None = None,
        latent_iterations: int = 1000,
        iterations: int = 8000,
        restarts: int = 4,
        time_limit: float | None = None,
        device: str = "cpu",
    ) -> None:
        if regularisers is None:
            regularisers = {"total_variation": AbsoluteVariation(1e-6)}
        distance = objective or Transformed()
        super().__init__(generator, distance, regularisers, labels, time_limit, device)
        check_least(1, latent_iterations=latent_iterations, restarts=restarts)
        check_least(1, iterations=iterations)
        self.optimiser = optimiser or Adam(0.03, StepDecay())
        self.parameter_optimiser = parameter_optimiser or Adam(0.001, StepDecay())
        self.latent_iterations = latent_iterations
        self.iterations = iterations
        self.restarts = restarts

    def search(self, update: Update, seed: int, budget: Budget) -> Found:
        """Run both searches.

        `details` has the objective and the distance of gradients of what is returned, the search it
        comes from (`stage`: 0 for latents, 1 for parameters), the least distance of each, and the
        iterations. If interrupted from the keyboard, it returns the best so far.

        Raises:
            VictimError: the network cannot be differentiated twice, or the objective is finite
                nowhere.
            SpearError: see `GeneratedProblem`.
        """
        searches = _Searches(self, update, seed)
        first = Descent(self.latent_iterations, self.restarts, budget)
        second = Descent(self.iterations, 1, budget)
        status = first(searches.latent_start)
        if status is Status.ESTIMATED:
            status = second(searches.parameter_start)
        found = searches.found(status)
        found.details["iterations"] = float(first.done + second.done)
        return found


class _Searches:
    """Both searches on one update.

    Args:
        attack: its settings.
        update: a copy for this search alone.
        seed: of the latents.
    """

    def __init__(self, attack: GIAS, update: Update, seed: int) -> None:
        self.problem = GeneratedProblem(attack, update, seed)
        self._attack = attack
        self._began = False
        self._latents = Best()
        self._images = (Best(), Best())

    def latent_start(self) -> Start:
        """A restart of the first search, for `Descent`."""
        latents = self.problem.latents().requires_grad_()
        if not self._began:
            self.problem.check_at(latents.detach())
        self._began = True

        def evaluate() -> Value:
            value = self.problem(self.problem.prior.inputs(0, latents))
            self._latents.offer(value.total.item(), value.distance, latents)
            self._offer(0, value)
            return value

        others = self.problem.targets.variables
        step = self._attack.optimiser.start([latents, *others], self._attack.latent_iterations)
        return Start(latents, others, evaluate, step)

    def parameter_start(self) -> Start:
        """The second search, from the best latents, for `Descent`."""
        latents = self._latents.reached("GIAS", MODELS)
        own = [self.problem.prior.free() for _ in latents]
        variables: list[Tensor] = [each for prior in own for each in prior.parameters()]
        variables += self.problem.targets.variables

        def evaluate() -> Value:
            images = [prior.inputs(0, each[None]) for prior, each in zip(own, latents, strict=True)]
            value = self.problem(torch.cat(images))
            self._offer(1, value)
            return value

        step = self._attack.parameter_optimiser.start(variables, self._attack.iterations)
        return Start(None, variables, evaluate, step)

    def found(self, status: Status) -> Found:
        """The inputs of the lowest objective, and what is known of them."""
        stage = int(self._images[1].total < self._images[0].total)
        best = self._images[stage]
        details = {"objective": best.total, "distance": best.distance, "stage": float(stage)}
        reached = [(k, each) for k, each in enumerate(self._images) if each.inputs is not None]
        details |= {f"distance_{k}": each.distance for k, each in reached}
        inputs = self.problem.update.domain.clamp(best.reached("GIAS", MODELS))
        return Found(inputs, status, details, self.problem.recovered_labels(best))

    def _offer(self, stage: int, value: Value) -> None:
        assert value.inputs is not None
        self._images[stage].offer(value.total.item(), value.distance, value.inputs, value.targets)
