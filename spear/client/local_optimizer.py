"""Optimisers of a client's local steps, and the gradients that the path of the weights tells."""

import math
from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor, nn
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
    """Interface of an optimiser of local steps, which the server sets and whose path it can undo.

    A new one is a class with these members, and one file in `conf/fedavg/optimizer/`.
    """

    def over(self, parameters: Iterable[nn.Parameter], learning_rate: float, steps: int) -> Steps:
        """Return the steps of a client that begins.

        Args:
            parameters: the client's, which are changed.
            learning_rate: eta of the first step.
            steps: T.

        Raises:
            ConfigError: the path of so many steps cannot be undone.
        """
        ...

    def undone(self, before: Tensor, after: Tensor, learning_rate: float, steps: int) -> Tensor:
        """Return the sum of gradients, each with a weight, that a parameter's path tells.

        Args:
            before, after: weights W_0 and W_T.
            learning_rate, steps: as in `over`.

        Returns:
            In float64, of the shape of the weights.
        """
        ...


class LocalSGD:
    """SGD with momentum, weight decay and a falling rate.

    With the gradient g of a step, as in PyTorch (without dampening):

        d = g + lambda W,    v <- mu v + d,    W <- W - eta_t v,

    or W <- W - eta_t (d + mu v) by Nesterov's rule. v is 0 before the first step. Without this rule
    and at a constant rate, its update without weight decay is the gradient itself, whatever mu is.
    Momentum gives the gradient of step t the weight 1 + mu + ... + mu^(T - t). In all, the weights
    after T steps are

        W_T = a W_0 - eta (c_1 g_1 + ... + c_T g_T),

    with numbers a and c_t of the settings alone, so that the server can subtract what weight decay
    did. Of one step a is 1 - eta lambda.

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

    def undone(self, before: Tensor, after: Tensor, learning_rate: float, steps: int) -> Tensor:
        """Return (a W_0 - W_T) / eta, the sum of c_t g_t."""
        kept = self.kept(learning_rate, steps)
        return (kept * before.double() - after.double()) / learning_rate

    def kept(self, learning_rate: float, steps: int) -> float:
        """Return a, the factor that remains of the weights after T steps without any gradient.

        It is computed by T such steps of a weight of 1, in float64.
        """
        if self.weight_decay == 0:
            return 1.0
        weight = nn.Parameter(torch.ones((), dtype=torch.float64))
        weight.grad = torch.zeros_like(weight)
        own = self.over([weight], learning_rate, steps)
        for _ in range(steps):
            own.step()
        return weight.item()
