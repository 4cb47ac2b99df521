"""What a network takes: the server designed it, and so knows it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Domain:
    """Shape and range of an input. Public: nothing in here depends on a private batch.

    Attributes:
        shape: of one input, C x H x W for images.
        lower, upper: least and greatest value of each entry (of `shape`), in the units in which the
            network receives them; infinite where there is no bound.
    """

    shape: tuple[int, ...]
    lower: Tensor
    upper: Tensor

    @classmethod
    def unbounded(cls, shape: tuple[int, ...]) -> "Domain":
        """Inputs of a shape, with any values."""
        return cls(shape, torch.full(shape, -torch.inf), torch.full(shape, torch.inf))
