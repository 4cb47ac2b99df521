"""Secure aggregation, whose masks need whole numbers."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from spear.client.mean import SeveralClients, weighted_mean
from spear.errors import ConfigError
from spear.settings import check_least


class SecureSum(SeveralClients):
    """Secure aggregation: the server sees the sum of n_i u_i, of which masks hide the terms, and n.

    Bonawitz et al. ("Practical secure aggregation for privacy-preserving machine learning", CCS
    2017). The masks cancel, so that nothing but their arithmetic protects more than a mean does:
    they are added modulo a whole number, and clients have to round. Each clips the entries of u_i
    to [-bound, bound], and rounds them at random to one of the two nearest multiples of the step
    2 bound / levels, so that their mean stays. Entries that are 0 stay 0. The server divides by n.

    Rounding acts on an attack as noise does. In an entry of the mean over k clients of equal sizes
    its deviation is at most half a step divided by sqrt(k).

    Flower's SecAgg+ has these defaults, a step of 3.8e-6, but rounds weights, multiplied by
    n_i / 1000: in units of a gradient its step is 3.8e-6 * 1000 / (n_i eta).

    Args:
        clients, participation, examples: see `SeveralClients`.
        bound: largest magnitude of an entry that is not clipped, above 0.
        levels: number of steps in the range, at least 2.

    Raises:
        ConfigError: an argument is out of range.
    """

    def __init__(
        self,
        clients: int,
        participation: float = 1.0,
        bound: float = 8.0,
        levels: int = 4194304,
        examples: Sequence[int] | None = None,
    ) -> None:
        super().__init__(clients, participation, examples)
        if not 0 < bound < math.inf:
            raise ConfigError(f"bound is {bound}; expected a finite number above 0.")
        check_least(2, levels=levels)
        self.bound = bound
        self.step = 2 * bound / levels

    def aggregate(
        self, updates: Sequence[Tensor], sizes: Sequence[int], generator: torch.Generator | None
    ) -> Tensor:
        """Return the mean of the rounded updates; chances are drawn from `generator`."""
        return weighted_mean([self._rounded(each, generator) for each in updates], sizes)

    def _rounded(self, update: Tensor, generator: torch.Generator | None) -> Tensor:
        steps = update.double().clamp(-self.bound, self.bound) / self.step
        below = steps.floor()
        # Drawn on the CPU, where the generator is: the same numbers on every device.
        chance = torch.rand(update.shape, generator=generator, dtype=torch.float64)
        up = chance.to(update.device) < steps - below
        return ((below + up) * self.step).to(update.dtype)
