"""Data set of computed images, so that there is nothing to download."""

import math

import torch
from torch import Tensor

from spear.data import Dataset
from spear.errors import ConfigError

GOLDEN_RATIO = (5**0.5 - 1) / 2
"""Number whose multiples, less whole numbers, are spread evenly in [0, 1) and never repeat."""


class Stripes(Dataset):
    """1,000 grey images of stripes, 1 x side x side with values in [0, 1].

    The brightness is a sine wave of 1 to 4 periods. Ten classes differ in its direction; the images
    of a class in its wavelength and phase.

    Args:
        side: side of an image, in pixels.
        normalize: whether the network sees (x - mean) / std or x itself.

    Raises:
        ConfigError: side is not positive.
    """

    name = "stripes"
    n_classes = 10
    mean = (0.5,)
    std = (0.125**0.5,)  # of a sine wave between 0 and 1

    def __init__(self, side: int = 16, normalize: bool = True) -> None:
        if side < 1:
            raise ConfigError(f"side is {side}; expected at least 1 pixel.")
        self.input_shape = (1, side, side)
        self.normalize = normalize

    def __len__(self) -> int:
        return 1000

    def example(self, index: int) -> tuple[Tensor, int]:
        """Image number `index` and its class, the last digit of the number."""
        label = index % self.n_classes
        angle = math.pi * label / self.n_classes
        share = index * GOLDEN_RATIO % 1.0
        y, x = torch.meshgrid(*[self._coordinates()] * 2, indexing="ij")
        periods = (1.0 + 3.0 * share) * (x * math.cos(angle) + y * math.sin(angle))
        wave = torch.sin(2.0 * math.pi * (periods + 10.0 * share))
        return (0.5 + 0.5 * wave).float().unsqueeze(0), label

    def _coordinates(self) -> Tensor:
        """Return the middles of the pixels along a side of length 1."""
        side = self.input_shape[1]
        return (torch.arange(side, dtype=torch.float64) + 0.5) / side
