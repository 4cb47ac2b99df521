"""GradInversion: gradient matching by several seeds at once that keep near their mean."""

from collections.abc import Mapping

import torch
from torch import Tensor

from spear.baselines.gradient_matching.descent import Best, Descent, Start
from spear.baselines.gradient_matching.initialisation import Initialisation, Normal
from spear.baselines.gradient_matching.labelled_attack import LabelledAttack
from spear.baselines.gradient_matching.labelled_problem import LabelledProblem
from spear.baselines.gradient_matching.labels import Labels
from spear.baselines.gradient_matching.matching_attack import Found
from spear.baselines.gradient_matching.objectives import Objective
from spear.baselines.gradient_matching.optimisers import Adam, Closure, Step
from spear.baselines.gradient_matching.problem import Value
from spear.baselines.gradient_matching.regularisers import AbsoluteVariation, Regulariser
from spear.baselines.gradinversion.terms import BatchNormDistance, ImageNorm, LayerwiseDistance
from spear.budget import Budget
from spear.errors import ConfigError
from spear.reconstruction import Status
from spear.settings import check_least, check_weights
from spear.update import Update


class GradInversion(LabelledAttack):
    """GradInversion (Yin et al., "See through Gradients: Image Batch Recovery via GradInversion",
    CVPR 2021, arXiv 2104.07586): an estimate, never a proof.

    Several seeds descend side by side from noise to images with the shared gradient. A term of
    their objective draws each towards the mean of all (group consistency), and noise that falls
    with the learning rate moves them (Langevin). The images of the seed and iteration with the
    lowest objective, without that term, are returned.

    The authors register the images by optical flow before they average them. Here the mean is taken
    of the pixels where they are. Images of one batch keep the order of their labels.

    Args:
        objective: distance of gradients; `LayerwiseDistance` unless given.
        regularisers: further terms by name; `AbsoluteVariation`, `ImageNorm` and
            `BatchNormDistance` unless given.
        initialisation: of the candidates; `Normal` unless given.
        labels: how the attack comes by them; `GivenLabels` unless given. None may be optimised.
        optimiser: how the candidates move; Adam with `WarmUpCosine` unless given.
        seeds: how many candidates descend side by side.
        group: weight of a candidate's distance |x - mean|_2 from the mean of all.
        noise: standard deviation of the Langevin noise per unit of the learning rate.
        iterations: of all seeds together, each of which is evaluated in each.
        time_limit: seconds per batch after which the best so far is returned; None for no limit.
        device: where to compute, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        objective: Objective | None = None,
        regularisers: Mapping[str, Regulariser] | None = None,
        initialisation: Initialisation | None = None,
        labels: Labels | None = None,
        optimiser: Adam | None = None,
        seeds: int = 8,
        group: float = 0.01,
        noise: float = 0.2,
        iterations: int = 20_000,
        time_limit: float | None = None,
        device: str = "cpu",
    ) -> None:
        check_least(1, seeds=seeds, iterations=iterations)
        check_weights(group=group, noise=noise)
        if regularisers is None:
            regularisers = {
                "total_variation": AbsoluteVariation(),
                "norm": ImageNorm(),
                "batch_norm": BatchNormDistance(),
            }
        super().__init__(objective or LayerwiseDistance(), regularisers, labels, time_limit, device)
        self.initialisation = initialisation or Normal()
        self.optimiser = optimiser or Adam()
        self.seeds = seeds
        self.group = group
        self.noise = noise
        self.iterations = iterations

    def search(self, update: Update, seed: int, budget: Budget) -> Found:
        """Descend with all seeds.

        `details` has the objective and the distance of gradients of what is returned, its seed, and
        the iterations. If interrupted from the keyboard, it returns the best so far.

        Raises:
            VictimError: the network cannot be differentiated twice, does not take the domain's
                shape, or the objective is finite nowhere.
            InvalidObservation: labels or another part that the attack needs is missing.
            ConfigError: the labels are optimised with the images.
        """
        group = _Group(self, update, seed)
        descent = Descent(self.iterations, 1, budget)
        status = descent(group.start)
        found = group.found(status)
        found.details["iterations"] = float(descent.done)
        return found


class _Group:
    """The candidates of all seeds on one update.

    Args:
        attack: its settings.
        update: a copy for this search alone.
        seed: of the candidates and the noise.
    """

    def __init__(self, attack: GradInversion, update: Update, seed: int) -> None:
        self._attack = attack
        self.problem = LabelledProblem(
            update, attack.objective, attack.regularisers, attack.labels, seed
        )
        self._domain = update.domain
        targets = self.problem.restart()
        if targets.variables:
            raise ConfigError(
                "labels are optimised with the images, which GradInversion does not; expected "
                "GivenLabels, or labels that are recovered first, such as CountedLabels."
            )
        b, random = targets.b, self.problem.random
        drawn = [attack.initialisation(b, self._domain, random) for _ in range(attack.seeds)]
        self._candidates = torch.stack(drawn).to(self.problem.like).requires_grad_()
        self._best = [Best() for _ in drawn]
        self.problem.check_derivatives(self._candidates[0])

    def start(self) -> Start:
        """The start of the descent, for `Descent`."""
        variables = [self._candidates]
        return Start(None, variables, self._evaluate, self._step(variables))

    def found(self, status: Status) -> Found:
        """The inputs of the lowest objective, and what is known of them."""
        number = min(range(len(self._best)), key=lambda each: self._best[each].total)
        best = self._best[number]
        inputs = self._domain.clamp(best.reached("GradInversion"))
        details = {"objective": best.total, "distance": best.distance, "seed": float(number)}
        return Found(inputs, status, details, self.problem.recovered_labels(best))

    def _evaluate(self) -> Value:
        """The sum of all seeds' objectives, with the consistency of the group."""
        values = [self.problem(each) for each in self._candidates]
        for best, value, each in zip(self._best, values, self._candidates, strict=True):
            best.offer(value.total.item(), value.distance, each, value.targets)
        mean = self._candidates.detach().mean(dim=0)
        apart = [torch.linalg.vector_norm(each - mean) for each in self._candidates]
        total = torch.stack([value.total for value in values]).sum()
        total = total + self._attack.group * torch.stack(apart).sum()
        return Value(total, torch.stack([value.distance for value in values]).min(), {}, mean)

    def _step(self, variables: list[Tensor]) -> Step:
        """An iteration of Adam, then noise, then back into the range of the inputs."""
        optimiser, iterations = self._attack.optimiser, self._attack.iterations
        free = optimiser.start(variables, iterations)

        def step(iteration: int, closure: Closure) -> None:
            free(iteration, closure)
            moved = self._candidates.detach()
            if self._attack.noise:
                rate = optimiser.learning_rate * optimiser.schedule(iteration, iterations)
                drawn = torch.randn(moved.shape, generator=self.problem.random).to(moved)
                moved = moved + self._attack.noise * rate * drawn
            self._candidates.data = self._domain.clamp(moved)

        return step
