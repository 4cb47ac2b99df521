"""First step of Adam and AdamW, which gives the gradient away by its epsilon."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from spear.client.local_optimizer import Steps
from spear.errors import ConfigError
from spear.settings import check_weights


class LocalAdam:
    """Adam (Kingma and Ba, ICLR 2015), of which a single step can be undone.

    After one step both moments are those of the gradient g itself, whatever the decay rates are,
    and each weight has moved by eta u with

        u = g / (|g| + epsilon),    so that    g = epsilon u / (1 - |u|).

    u is about the sign of g, of full rank, but its distance from 1 is about epsilon / |g|. Weights
    are rounded to their precision, and u with them, to delta = 2^-24 (|W| / eta + 2) in float32.
    This moves g by about g^2 delta / epsilon: by a percent at |g| = 1e-4, |W| = 0.02, eta = 1e-3
    and epsilon = 1e-8. An entry above epsilon / delta is only known to be that large, and is taken
    for that. The larger eta and epsilon are, and the smaller the gradient, the more is told.

    A second step mixes g with the moments of the first and is refused.

    Args:
        epsilon: added to the root of the second moment, above 0.

    Raises:
        ConfigError: epsilon is not above 0, or infinite.
    """

    def __init__(self, epsilon: float = 1e-8) -> None:
        if not 0 < epsilon < math.inf:
            raise ConfigError(f"epsilon is {epsilon}; expected a finite number above 0.")
        self.epsilon = epsilon

    def over(self, parameters: Iterable[nn.Parameter], learning_rate: float, steps: int) -> Steps:
        """Implement `LocalOptimizer`.

        Raises:
            ConfigError: there is more than one step.
        """
        self._check_single(steps)
        return Steps(torch.optim.Adam(parameters, lr=learning_rate, eps=self.epsilon))

    def _check_single(self, steps: int) -> None:
        if steps > 1:
            raise ConfigError(
                f"the client takes {steps} steps of Adam, whose update is no sum of gradients from "
                "the second step on; take one (fedavg.epochs=1, with full batches), or "
                "choose fedavg/optimizer=sgd or momentum."
            )

    def undone(self, before: Tensor, after: Tensor, learning_rate: float, steps: int) -> Tensor:
        """Return g, of each entry at most what rounding lets be told."""
        return self._told(before, before.double(), after, learning_rate, roundings=1)

    def _told(
        self, before: Tensor, start: Tensor, after: Tensor, learning_rate: float, roundings: int
    ) -> Tensor:
        """The gradient behind a step from `start`, in float64, of weights rounded so many times."""
        moved = (start - after.double()) / learning_rate
        size = roundings * before.double().abs() / learning_rate + 2
        rounding = torch.finfo(before.dtype).eps / 2 * size
        told = torch.minimum(moved.abs(), (1 - rounding).clamp(min=0))
        return moved.sign() * self.epsilon * told / (1 - told)


class LocalAdamW(LocalAdam):
    """AdamW (Loshchilov and Hutter, ICLR 2019), of which a single step can be undone.

    The weights decay beside Adam's step, W <- (1 - eta lambda) W - eta u, which the server
    subtracts. They are rounded twice.

    Args:
        epsilon: added to the root of the second moment, above 0.
        weight_decay: lambda, 0 or more.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __init__(self, epsilon: float = 1e-8, weight_decay: float = 0.01) -> None:
        super().__init__(epsilon)
        check_weights(weight_decay=weight_decay)
        self.weight_decay = weight_decay

    def over(self, parameters: Iterable[nn.Parameter], learning_rate: float, steps: int) -> Steps:
        """Implement `LocalOptimizer`.

        Raises:
            ConfigError: there is more than one step.
        """
        self._check_single(steps)
        return Steps(
            torch.optim.AdamW(
                parameters, lr=learning_rate, eps=self.epsilon, weight_decay=self.weight_decay
            )
        )

    def undone(self, before: Tensor, after: Tensor, learning_rate: float, steps: int) -> Tensor:
        """Return g, of each entry at most what rounding lets be told."""
        decayed = (1 - learning_rate * self.weight_decay) * before.double()
        return self._told(before, decayed, after, learning_rate, roundings=2)
