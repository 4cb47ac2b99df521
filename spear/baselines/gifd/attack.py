"""GIFD: gradient matching over a generator's latents, then over its inner features."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from spear.baselines.generative.attack import MODELS, GeneratedProblem, GenerativeAttack
from spear.baselines.generative.generator import Generator, parts
from spear.baselines.gifd.l1_ball import project
from spear.baselines.gradient_matching.descent import Best, Descent, Start
from spear.baselines.gradient_matching.labels import Labels
from spear.baselines.gradient_matching.matching_attack import Found
from spear.baselines.gradient_matching.objectives import Objective
from spear.baselines.gradient_matching.optimisers import Adam, Closure, Optimiser, Step
from spear.baselines.gradient_matching.problem import Value
from spear.baselines.gradient_matching.regularisers import AbsoluteVariation, Regulariser
from spear.baselines.gradient_matching.schedules import WarmUpRampDown
from spear.baselines.gradient_matching.transforms import Transformed
from spear.budget import Budget
from spear.errors import ConfigError
from spear.reconstruction import Status
from spear.settings import check_least
from spear.update import Update


class GIFD(GenerativeAttack):
    """GIFD (Fang et al., "GIFD: A Generative Gradient Inversion Method with Feature Domain
    Optimization", ICCV 2023, arXiv 2308.04699): an estimate, never a proof.

    Stage 0 descends from random latents to those whose image has the shared gradient. Stage k
    takes the features after block k that stage k - 1 has led to, and descends in their place,
    within an l1 ball around where they began: they reach images that no latents give. The attack
    returns the image, over all stages and restarts, whose gradients are nearest, without the
    regularisers. Without radii, only latents are searched; GIFD is compared with that search.

    The features with the lowest objective of each stage go on to the next; the authors take the
    last ones. Their further regulariser 1e-6 |x|_2 / 64^2 is too small to matter and left out.

    Args:
        generator, labels, time_limit, device: see `GenerativeAttack`.
        radii: of the balls, one per stage from 1 on, in units of the features; fewer than blocks.
        objective: `CosineDistance` unless given.
        regularisers: `AbsoluteVariation` unless given.
        optimiser: how features move; Adam with `WarmUpRampDown`, anew in each stage, unless given.
        iterations: of a restart, divided equally among its stages; the remainder is not used.
        restarts: how many times all stages are run, each from its own latents.

    Raises:
        ConfigError: a setting is out of range, or `generator` is not a `Generator`.
    """

    def __init__(
        self,
        generator: Generator,
        radii: Sequence[float] = (),
        objective: Objective | None = None,
        regularisers: Mapping[str, Regulariser] | None = None,
        labels: Labels | None = None,
        optimiser: Optimiser | None = None,
        iterations: int = 4000,
        restarts: int = 4,
        time_limit: float | None = None,
        device: str = "cpu",
    ) -> None:
        if regularisers is None:
            regularisers = {"total_variation": AbsoluteVariation()}
        distance = objective or Transformed()
        super().__init__(generator, distance, regularisers, labels, time_limit, device)
        check_least(1 + len(radii), iterations=iterations)
        check_least(1, restarts=restarts)
        inner = len(parts(generator)[1]) - 1
        if len(radii) > inner or not all(radius > 0 for radius in radii):
            raise ConfigError(
                f"radii is {list(radii)}, but the generator has {inner + 1} blocks with "
                f"{inner} features between them; expected at most {inner} radii above 0."
            )
        self.radii = list(radii)
        self.optimiser = optimiser or Adam(0.1, WarmUpRampDown())
        self.iterations = iterations
        self.restarts = restarts

    def search(self, update: Update, seed: int, budget: Budget) -> Found:
        """Run all stages of all restarts.

        `details` has the objective and the distance of gradients of what is returned, the stage it
        comes from, the least distance of each stage and the iterations. If interrupted
        from the keyboard, it returns the best so far.

        Raises:
            VictimError: the network cannot be differentiated twice, or the objective is finite
                nowhere.
            SpearError: see `GeneratedProblem`.
        """
        stages = _Stages(self, update, seed)
        descent = Descent(stages.iterations, self.restarts * stages.count, budget)
        status = descent(stages.start)
        found = stages.found(status)
        found.details["iterations"] = float(descent.done)
        return found


class _Stages:
    """All stages of all restarts on one update.

    Args:
        attack: its settings.
        update: a copy for this search alone.
        seed: of the latents.
    """

    def __init__(self, attack: GIFD, update: Update, seed: int) -> None:
        self.count = 1 + len(attack.radii)
        self.iterations = attack.iterations // self.count
        self.problem = GeneratedProblem(attack, update, seed)
        self._attack = attack
        self._prior = self.problem.prior
        self._best: list[Best] = []

    def start(self) -> Start:
        """Return the start of the next stage, for `Descent`."""
        stage = len(self._best) % self.count
        features = self._features(stage).detach().requires_grad_()
        best = Best()
        self._best.append(best)

        def evaluate() -> Value:
            value = self.problem(self._prior.inputs(stage, features))
            best.offer(value.total.item(), value.distance, features, value.targets)
            return value

        others = self.problem.targets.variables
        return Start(features, others, evaluate, self._step(stage, features))

    def found(self, status: Status) -> Found:
        """The inputs whose gradients are nearest, and what is known of them."""
        reached = [
            (best.distance, i % self.count, best)
            for i, best in enumerate(self._best)
            if best.inputs is not None
        ]
        distance, stage, best = min(reached, key=lambda each: each[0])
        assert best.inputs is not None
        with torch.no_grad():
            inputs = self.problem.update.domain.clamp(self._prior.inputs(stage, best.inputs))
        details = {"objective": best.total, "distance": distance, "stage": float(stage)}
        for k in sorted({stage for _, stage, _ in reached}):
            details[f"distance_{k}"] = min(d for d, stage, _ in reached if stage == k)
        return Found(inputs, status, details, self.problem.recovered_labels(best))

    def _features(self, stage: int) -> Tensor:
        if stage:
            before = self._best[-1].reached("GIFD", MODELS)
            return self._prior.block(stage - 1, before)
        latents = self.problem.latents()
        if not self._best:
            self.problem.check_at(latents)
        return latents

    def _step(self, stage: int, features: Tensor) -> Step:
        """An iteration of the optimiser, and from stage 1 on back into the ball."""
        variables = [features, *self.problem.targets.variables]
        free = self._attack.optimiser.start(variables, self.iterations)
        if not stage:
            return free
        centre, radius = features.detach().clone(), self._attack.radii[stage - 1]

        def step(iteration: int, closure: Closure) -> None:
            free(iteration, closure)
            features.data = centre + project(features.data - centre, radius)

        return step
