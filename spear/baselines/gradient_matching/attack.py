"""Gradient matching: a search for inputs whose gradient is the one that the client shared."""

from collections.abc import Mapping

import torch
from torch import Tensor

from spear.baselines.gradient_matching.candidate import Candidate
from spear.baselines.gradient_matching.descent import Descent, Start
from spear.baselines.gradient_matching.initialisation import Initialisation, PatternedNormal
from spear.baselines.gradient_matching.labelled_attack import LabelledAttack
from spear.baselines.gradient_matching.labelled_problem import LabelledProblem
from spear.baselines.gradient_matching.labels import Labels
from spear.baselines.gradient_matching.matching_attack import Found
from spear.baselines.gradient_matching.objectives import CosineDistance, Objective
from spear.baselines.gradient_matching.optimisers import Adam, Optimiser, SoftSign
from spear.baselines.gradient_matching.regularisers import (
    FeatureDistance,
    Regulariser,
    TotalVariation,
)
from spear.budget import Budget
from spear.domain import Domain
from spear.errors import ConfigError
from spear.settings import check_least
from spear.update import Update


class GradientMatching(LabelledAttack):
    """Descends from random inputs to inputs with the same gradient: an estimate, never a proof.

    Without settings it is the authors' "modern" variant of Geiping et al., "Inverting gradients"
    (NeurIPS 2020), which the paper compares with (Tables 1, 5, 6, 9). With other parts it is
    DLG (Zhu et al., NeurIPS 2019): `conf/attack/dlg.yaml`. The update of local training is matched
    as if it were one gradient.

    Args:
        objective: distance of gradients; `CosineDistance` unless given.
        regularisers: further terms of the objective by name; `TotalVariation` and
            `FeatureDistance` unless given.
        initialisation: of the candidate; `PatternedNormal` unless given.
        labels: how the attack comes by them; `GivenLabels` unless given.
        optimiser: how the candidate moves; `Adam` with `SoftSign` unless given.
        box: whether inputs return to the network's domain after each iteration.
        iterations: of each restart.
        restarts: how many; the candidate with the lowest objective of all is returned.
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
        optimiser: Optimiser | None = None,
        box: bool = True,
        iterations: int = 24_000,
        restarts: int = 1,
        time_limit: float | None = None,
        device: str = "cpu",
    ) -> None:
        check_least(1, iterations=iterations, restarts=restarts)
        if regularisers is None:
            regularisers = {"total_variation": TotalVariation(), "features": FeatureDistance()}
        super().__init__(objective or CosineDistance(), regularisers, labels, time_limit, device)
        self.initialisation = initialisation or PatternedNormal()
        self.optimiser = optimiser or Adam(transform=SoftSign())
        self.box = box
        self.iterations = iterations
        self.restarts = restarts
        for name, regulariser in self.regularisers.items():
            if regulariser.needs_labels and not self.labels.given:
                raise ConfigError(
                    f"regularisers.{name} needs the labels, which labels does not "
                    "give; leave it out, or use GivenLabels."
                )

    def search(self, update: Update, seed: int, budget: Budget) -> Found:
        """Descend from random candidates.

        `details` has the lowest objective, the distance of gradients in it, and iterations.
        If interrupted from the keyboard, it returns the best so far.

        Raises:
            VictimError: the network cannot be differentiated twice, does not take the domain's
                shape, or its objective is finite nowhere.
            InvalidObservation: labels or another part that the attack needs is missing.
        """
        box = update.domain if self.box else None
        problem = LabelledProblem(update, self.objective, self.regularisers, self.labels, seed)
        descent = Descent(self.iterations, self.restarts, budget, box)
        status = descent(lambda: self._start(problem))
        best = descent.best
        inputs = best.reached("gradient matching")
        details = {
            "objective": best.total,
            "distance": best.distance,
            "iterations": float(descent.done),
        }
        inputs = box.clamp(inputs) if box else inputs
        return Found(inputs, status, details, problem.recovered_labels(best))

    def _start(self, problem: LabelledProblem) -> Start:
        """A random candidate."""
        targets = problem.restart()
        domain = problem.update.domain
        candidate = self._candidate(targets.b, domain, problem.like, problem.random)
        begun = Start(
            candidate.inputs,
            [*candidate.weights, *targets.variables],
            lambda: problem(candidate.current()),
            self.optimiser.start([*candidate.variables, *targets.variables], self.iterations),
        )
        problem.check_derivatives(candidate.current())
        return begun

    def _candidate(
        self, b: int, domain: Domain, like: Tensor, generator: torch.Generator
    ) -> Candidate:
        """A random one of b inputs, in the precision and on the device of `like`."""
        return Candidate.free(self.initialisation(b, domain, generator).to(like))
