"""Optimisers of the candidate: Adam for the cosine distance, L-BFGS for DLG."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from spear.baselines.gradient_matching.schedules import Schedule, WarmUpCosine
from spear.settings import check_above_zero

Closure = Callable[[], Tensor]
"""Evaluates the objective at the variables as they are and leaves their gradients in `.grad`."""

Step = Callable[[int, Closure], None]
"""One iteration, by its number from 0: evaluates the objective and moves the variables."""

Transform = Callable[[Tensor, float], Tensor]
"""A map of a gradient, and the share in (0, 1] of the iterations left, to the one descended."""


class Optimiser(Protocol):
    """A way to descend. A new one implements `start` and is named in a file of `conf/attack/`."""

    def start(self, variables: list[Tensor], iterations: int) -> Step:
        """Begin a restart of `iterations` iterations."""
        ...


class Sign:
    """The sign of a gradient, used instead of the gradient."""

    def __call__(self, gradient: Tensor, left: float) -> Tensor:
        """Implement `Transform`."""
        return gradient.sign()


class SoftSign:
    """tanh(s g) / s, s the share of the iterations left: from nearly the sign of g to g itself.

    For gradients as small as those of a cosine distance, it is nearly g from the beginning.
    """

    def __call__(self, gradient: Tensor, left: float) -> Tensor:
        """Implement `Transform`."""
        return (left * gradient).tanh_().div_(left)


class Adam:
    """Adam (Kingma & Ba, 2015) with the usual moments.

    Args:
        learning_rate: before the schedule.
        schedule: of the learning rate; `WarmUpCosine` unless given.
        transform: of each gradient; none unless given.

    Raises:
        ConfigError: the learning rate is not above 0.
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        schedule: Schedule | None = None,
        transform: Transform | None = None,
    ) -> None:
        check_above_zero(learning_rate=learning_rate)
        self.learning_rate = learning_rate
        self.schedule = schedule or WarmUpCosine()
        self.transform = transform

    def start(self, variables: list[Tensor], iterations: int) -> Step:
        """Implement `Optimiser`."""
        adam = torch.optim.Adam(variables)

        def step(iteration: int, closure: Closure) -> None:
            rate = self.learning_rate * self.schedule(iteration, iterations)
            adam.param_groups[0]["lr"] = rate
            closure()
            if self.transform:
                left = 1.0 - iteration / iterations
                for variable in variables:
                    assert variable.grad is not None
                    variable.grad = self.transform(variable.grad, left)
            adam.step()

        return step


class LBFGS:
    """L-BFGS without a line search, as DLG uses it (Zhu et al., NeurIPS 2019).

    Args:
        learning_rate: of every step.
        evaluations: largest number of evaluations of the objective per iteration.
        history: number of past steps from which the curvature is estimated.

    Raises:
        ConfigError: the learning rate is not above 0.
    """

    def __init__(
        self, learning_rate: float = 1.0, evaluations: int = 20, history: int = 100
    ) -> None:
        check_above_zero(learning_rate=learning_rate)
        self.learning_rate = learning_rate
        self.evaluations = evaluations
        self.history = history

    def start(self, variables: list[Tensor], iterations: int) -> Step:
        """Implement `Optimiser`."""
        lbfgs = torch.optim.LBFGS(
            variables,
            lr=self.learning_rate,
            max_iter=self.evaluations,
            history_size=self.history,
        )

        def step(iteration: int, closure: Closure) -> None:
            lbfgs.step(closure)  # type: ignore[no-untyped-call]

        return step
