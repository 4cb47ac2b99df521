"""Gradient matching: a search for inputs whose gradient is the one that the client shared."""

import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from spear.attack import ProgressCallback
from spear.baselines.gradient_matching.candidate import Candidate
from spear.baselines.gradient_matching.checks import (
    check_derivatives,
    check_labels,
    outputs,
)
from spear.baselines.gradient_matching.descent import Descent, Start
from spear.baselines.gradient_matching.initialisation import Initialisation, PatternedNormal
from spear.baselines.gradient_matching.labels import GivenLabels, Labels
from spear.baselines.gradient_matching.objectives import CosineDistance, Objective
from spear.baselines.gradient_matching.optimisers import Adam, Optimiser, SoftSign
from spear.baselines.gradient_matching.problem import Problem
from spear.baselines.gradient_matching.regularisers import (
    FeatureDistance,
    Regulariser,
    TotalVariation,
)
from spear.domain import Domain
from spear.errors import ConfigError, VictimError
from spear.reconstruction import Reconstruction, Status
from spear.settings import check_least, check_run
from spear.update import Update
from spear.whole_update import WholeUpdateAttack


class GradientMatching(WholeUpdateAttack):
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

    precision: torch.dtype | None = None
    """Precision in which gradients are compared; None for the one in which the client computed."""

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
        self.objective = objective or CosineDistance()
        self.regularisers = dict(regularisers)
        self.initialisation = initialisation or PatternedNormal()
        self.labels = labels or GivenLabels()
        self.optimiser = optimiser or Adam(transform=SoftSign())
        self.box = box
        self.iterations = iterations
        self.restarts = restarts
        check_run(time_limit, device)
        self.time_limit = time_limit
        self.device = device
        for name, regulariser in self.regularisers.items():
            if regulariser.needs_labels and not self.labels.given:
                raise ConfigError(
                    f"regularisers.{name} needs the labels, which labels does not "
                    "give; leave it out, or use GivenLabels."
                )

    @property
    def given_labels(self) -> bool:
        """Implement `spear.attack.Attack`."""
        return self.labels.given

    def __call__(
        self, observation: Update, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`.

        `details` has the lowest objective, the distance of gradients in it, and iterations.
        If interrupted from the keyboard, it returns the best so far.

        Raises:
            VictimError: the network cannot be differentiated twice, does not take the domain's
                shape, or its objective is finite nowhere.
            InvalidObservation: labels or another part that the attack needs is missing.
        """
        began = time.perf_counter()
        if observation.is_zero:
            return Reconstruction.empty(*observation.dimensions(None), Status.ZERO_GRADIENT)
        update = observation.copied(self.device, self.precision)
        box = update.domain if self.box else None
        descent = Descent(self.iterations, self.restarts, began, self.time_limit, box, progress)
        status = descent(self._starts(update, seed))
        return _reconstruction(descent, box, status, time.perf_counter() - began)

    def _starts(self, update: Update, seed: int) -> Callable[[], Start]:
        """Random candidates, one per call."""
        like = next(iter(update.gradients.values()))
        classes = outputs(update.network, like.new_zeros(1, *update.domain.shape))
        if self.given_labels:
            check_labels(update.labels, classes.shape[-1])
        problem = Problem(update, self.objective, self.regularisers)
        generator = torch.Generator().manual_seed(seed)

        def start() -> Start:
            targets = self.labels.start(update, classes, generator)
            candidate = self._candidate(targets.b, update.domain, like, generator)
            for variable in targets.variables:
                variable.requires_grad_()
            begun = Start(
                candidate.inputs,
                [*candidate.weights, *targets.variables],
                lambda: problem(candidate.current(), targets.current()),
                self.optimiser.start([*candidate.variables, *targets.variables], self.iterations),
            )
            inputs = candidate.current().detach().requires_grad_()
            check_derivatives(
                update.network, inputs, lambda: problem(inputs, targets.current()).total
            )
            return begun

        return start

    def _candidate(
        self, b: int, domain: Domain, like: Tensor, generator: torch.Generator
    ) -> Candidate:
        """A random one of b inputs, in the precision and on the device of `like`."""
        return Candidate.free(self.initialisation(b, domain, generator).to(like))


def _reconstruction(
    descent: Descent, box: Domain | None, status: Status, seconds: float
) -> Reconstruction:
    best = descent.best
    if best.inputs is None:
        raise VictimError(
            "the objective of gradient matching is not finite at any candidate; check that the "
            "network's parameters and its loss are."
        )
    inputs = box.clamp(best.inputs) if box else best.inputs
    details = {
        "objective": best.total,
        "distance": best.distance,
        "iterations": float(descent.done),
    }
    return Reconstruction.estimate(inputs.flatten(1).cpu(), seconds, status, details)
