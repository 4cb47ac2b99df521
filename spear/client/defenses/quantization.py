"""Quantisation of an update: whole multiples of a step for each parameter."""

import torch
from torch import Tensor

from spear.client.defenses.compression import Compression, UnbiasedCompression, uniform
from spear.settings import check_least

INT8 = 127
"""Largest whole number of a symmetric signed byte."""


def step(value: Tensor, levels: int) -> float:
    """Return the step of a tensor, such that its largest magnitude is `levels` steps."""
    return float(value.double().abs().max()) / levels if value.numel() else 0.0


class _InLevels:
    """Setting of both quantisations."""

    def __init__(self, levels: int = INT8) -> None:
        check_least(1, levels=levels)
        self.levels = levels


class Quantization(_InLevels, Compression):
    """Quantisation to the nearest: each entry becomes the nearest multiple of a step s.

    s is max |g| / levels, of each parameter by itself, and is sent along. Entries below s/2 become
    0. An error is at most s/2, and s / sqrt(12) in root mean square if entries spread over many
    steps; then it acts on an attack as noise does. It is no noise: it follows from the entry, and
    an entry far below s is always 0, so that a gradient of few large entries is pruned.

    Args:
        levels: whole numbers on either side of 0, at least 1; 127 for int8.

    Raises:
        ConfigError: levels < 1.
    """

    def compress(
        self, update: dict[str, Tensor], generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        """Implement `Compression`; nothing is drawn from `generator`."""
        return {name: self._nearest(value) for name, value in update.items()}

    def _nearest(self, value: Tensor) -> Tensor:
        width = step(value, self.levels)
        if width == 0:
            return value
        return ((value.double() / width).round() * width).to(value.dtype)


class StochasticQuantization(_InLevels, UnbiasedCompression):
    """Quantisation to one of the two nearest multiples of a step s by chance: the mean stays.

    s is as in `Quantization`. An entry k s + f s, with f in [0, 1), becomes (k + 1) s with
    probability f, so that its variance is s^2 f (1 - f): at most s^2 / 4, and s^2 / 6 on average if
    the f are spread evenly. Entries that are 0 stay 0.

    Args:
        levels: whole numbers on either side of 0, at least 1; 127 for int8.

    Raises:
        ConfigError: levels < 1.
    """

    def sent(self, value: Tensor, generator: torch.Generator | None) -> Tensor:
        """Implement `UnbiasedCompression`."""
        width = step(value, self.levels)
        if width == 0:
            return value
        steps = value.double() / width
        below = steps.floor()
        up = uniform(value, generator) < steps - below
        return ((below + up) * width).to(value.dtype)

    def deviation(self, value: Tensor) -> Tensor:
        """Return s sqrt(f (1 - f)) of each entry."""
        width = step(value, self.levels)
        if width == 0:
            return torch.zeros_like(value)
        steps = value.double() / width
        rest = steps - steps.floor()
        return (width * (rest * (1 - rest)).sqrt()).to(value.dtype)

    def implied(self, sent: Tensor) -> float:
        """Return s / sqrt(6); the largest entry, which gives s, is sent without an error."""
        return step(sent, self.levels) / 6**0.5
