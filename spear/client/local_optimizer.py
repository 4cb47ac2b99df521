"""Optimisers of a client's local steps, and what of the weights' path the server can undo."""

import math
from collections.abc import Iterable
from typing import Protocol

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from spear.errors import ConfigError


class Steps:
    """Steps of one optimiser: `step` applies the gradients that the parameters hold.

    Args:
        optimizer: PyTorch's, over the client's parameters.
        schedule: changes its rate after each step; None for a constant one.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, schedule: CosineAnnealingLR | None = None
    ) -> None:
        self._optimizer = optimizer
        self._schedule = schedule

    def step(self) -> None:
        """Change the parameters by their gradients."""
        self._optimizer.step()
        if self._schedule is not None:
            self._schedule.step()


class LocalOptimizer(Protocol):
    """Interface of an optimiser whose steps are linear in the gradients.

    The weights after T steps are W_T = a W_0 - eta (c_1 g_1 + ... + c_T g_T), with g_t the gradient
    of step t and numbers a and c_t that the server knows, as it sets the optimiser. A new one is a
    class with these members, and one file in `conf/fedavg/optimizer/`.
    """

    def over(self, parameters: Iterable[nn.Parameter], learning_rate: float, steps: int) -> Steps:
        """Return the steps of a client that begins.

        Args:
            parameters: the client's, which are changed.
            learning_rate: eta of the first step.
            steps: T.
        """
        ...

    def kept(self, learning_rate: float, steps: int) -> float:
        """Return a, the factor that remains of the weights after T steps without any gradient."""
        ...


class LocalSGD:
    """SGD with momentum, weight decay and a falling rate.

    With the gradient g of a step, as in PyTorch (without dampening):

        d = g + lambda W,    v <- mu v + d,    W <- W - eta_t v,

    or W <- W - eta_t (d + mu v) by Nesterov's rule. v is 0 before the first step, so that its
    update without weight decay is the gradient itself, whatever mu is. Momentum gives the gradient
    of step t the weight 1 + mu + ... + mu^(T - t). Weight decay adds lambda W, which the server
    subtracts (`kept`): of one step a is 1 - eta lambda. Both leave a weighted sum of gradients.

    Args:
        momentum: mu, in [0, 1).
        weight_decay: lambda, 0 or more.
        nesterov: whether Nesterov's rule is used, which needs mu > 0.
        final_rate: rate of the last step as a share of the first, in (0, 1]; a cosine in between.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __init__(
        self,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        final_rate: float = 1.0,
    ) -> None:
        if not 0 <= momentum < 1:
            raise ConfigError(f"momentum is {momentum}; expected a number from 0 to below 1.")
        if not 0 <= weight_decay < math.inf:
            raise ConfigError(f"weight_decay is {weight_decay}; expected a number of 0 or more.")
        if nesterov and momentum == 0:
            raise ConfigError(
                "nesterov is true without momentum, whose rule it is; set momentum above 0, or "
                "nesterov to false."
            )
        if not 0 < final_rate <= 1:
            raise ConfigError(
                f"final_rate is {final_rate}; expected the last rate as a share of the first, "
                "above 0 and at most 1."
            )
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.nesterov = nesterov
        self.final_rate = final_rate

    def over(self, parameters: Iterable[nn.Parameter], learning_rate: float, steps: int) -> Steps:
        """Implement `LocalOptimizer`."""
        optimizer = torch.optim.SGD(
            parameters,
            lr=learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
        )
        if self.final_rate == 1 or steps == 1:
            return Steps(optimizer)
        last = self.final_rate * learning_rate
        return Steps(optimizer, CosineAnnealingLR(optimizer, steps - 1, last))

    def kept(self, learning_rate: float, steps: int) -> float:
        """Implement `LocalOptimizer`, by T steps of a weight of 1 in float64."""
        if self.weight_decay == 0:
            return 1.0
        weight = nn.Parameter(torch.ones((), dtype=torch.float64))
        weight.grad = torch.zeros_like(weight)
        own = self.over([weight], learning_rate, steps)
        for _ in range(steps):
            own.step()
        return weight.item()


class Adam:
    """Adam, which is refused: its update is no sum of gradients.

    Its first step changes each weight by eta g / (|g| + epsilon), that is by eta or -eta wherever
    |g| is far above epsilon, 1e-8. The sign of a matrix of rank b has full rank, and its rows and
    columns no longer span inputs and activations.

    Raises:
        ConfigError: always.
    """

    def __init__(self) -> None:
        raise ConfigError(
            "the optimiser is Adam, whose first step is about eta times the sign of the gradient, "
            "so that its update is no sum of gradients and has no low rank to factorise; choose "
            "fedavg/optimizer=sgd or momentum."
        )
