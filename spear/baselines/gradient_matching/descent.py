"""Descent from several starts, and the best candidate it finds."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.attack import Progress
from spear.baselines.gradient_matching.checks import never_finite
from spear.baselines.gradient_matching.optimisers import Step
from spear.baselines.gradient_matching.problem import Value
from spear.budget import Budget
from spear.domain import Domain
from spear.reconstruction import Status


@dataclass(frozen=True)
class Start:
    """The start of a restart.

    Attributes:
        inputs: the candidate (b x domain.shape), a leaf; None if it is computed from the
            variables, in which case `Value.inputs` has it.
        others: further variables, also leaves.
        evaluate: the objective at the variables as they are.
        step: one iteration of the optimiser on all of them.
    """

    inputs: Tensor | None
    others: list[Tensor]
    evaluate: Callable[[], Value]
    step: Step

    @property
    def variables(self) -> list[Tensor]:
        """All variables the optimiser updates."""
        return self.others if self.inputs is None else [self.inputs, *self.others]

    def candidate(self, value: Value) -> Tensor:
        """The inputs that have this objective."""
        inputs = value.inputs if self.inputs is None else self.inputs
        assert inputs is not None  # one of the two has them
        return inputs


class Best:
    """The candidate of the lowest objective so far.

    Attributes:
        total: its objective; infinite before the first candidate.
        distance: of the gradients, in `total`.
        inputs: the candidate itself (b x domain.shape).
        targets: its labels; None before the first candidate, and if it has none.
    """

    def __init__(self) -> None:
        self.total = math.inf
        self.distance = math.nan
        self.inputs: Tensor | None = None
        self.targets: Tensor | None = None

    def offer(
        self, total: float, distance: Tensor, inputs: Tensor, targets: Tensor | None = None
    ) -> None:
        """Keep a copy of inputs and labels if their objective is lower; NaN never is."""
        if total < self.total:
            self.total, self.distance = total, distance.item()
            self.inputs = inputs.detach().clone()
            self.targets = None if targets is None else targets.detach().clone()

    def reached(self, attack: str, models: str = "network") -> Tensor:
        """Return the inputs.

        Args:
            attack: its name, for the message.
            models: whose parameters the objective depends on, likewise.

        Raises:
            VictimError: no candidate had a finite objective.
        """
        if self.inputs is None:
            raise never_finite(attack, models)
        return self.inputs


class Descent:
    """Runs restarts until they end or the time is up.

    Args:
        iterations: of each restart.
        restarts: how many.
        budget: at whose end to stop; it is told from time to time how far the descent is.
        box: bounds to return to after each iteration, or None.

    Attributes:
        best: over all restarts.
        done: iterations, over all restarts.
    """

    def __init__(
        self,
        iterations: int,
        restarts: int,
        budget: Budget,
        box: Domain | None = None,
    ) -> None:
        self.best = Best()
        self.done = 0
        self._timed_out = False
        self._iterations = iterations
        self._restarts = restarts
        self._budget = budget
        self._box = box

    def __call__(self, start: Callable[[], Start]) -> Status:
        """Descend from each of `restarts` starts; `best` has the outcome.

        Returns:
            `ESTIMATED`, or the reason it ended early: `TIMED_OUT`, or `INTERRUPTED` from the
            keyboard. The interrupt is raised if there is no candidate yet.
        """
        try:
            for _ in range(self._restarts):
                self._descend(start())
                if self._timed_out:
                    return Status.TIMED_OUT
        except KeyboardInterrupt:
            if self.best.inputs is None:
                raise
            return Status.INTERRUPTED
        return Status.ESTIMATED

    def _descend(self, start: Start) -> None:
        last = math.nan

        def closure() -> Tensor:
            nonlocal last
            value = start.evaluate()
            gradients = torch.autograd.grad(value.total, start.variables)
            for variable, gradient in zip(start.variables, gradients, strict=True):
                variable.grad = gradient
            total = value.total.detach()
            last = total.item()
            self.best.offer(last, value.distance, start.candidate(value), value.targets)
            return total

        for iteration in range(self._iterations):
            start.step(iteration, closure)
            if self._box and start.inputs is not None:
                start.inputs.data = self._box.clamp(start.inputs.data)
            self.done += 1
            self._report()
            if not math.isfinite(last):
                break  # it cannot come back from there; another restart may do better
            if self._budget.over():
                self._timed_out = True
                break

    def _report(self) -> None:
        total = self._iterations * self._restarts
        if self.done % REPORT_EVERY == 0 or self.done == total:
            note = f"objective {self.best.total:.4g}"
            self._budget.report(Progress(self.done, total, "iterations", note))


REPORT_EVERY = 10
"""Iterations between two reports, so that showing them takes hardly any time."""
