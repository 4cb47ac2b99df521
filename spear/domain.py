"""What a network takes: the server designed it, and so knows it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Domain:
    """Shape and range of an input. Public: nothing in here depends on a private batch.

    Attributes:
        shape: of one input, C x H x W for images.
        lower, upper: least and greatest value of each entry (of `shape`, or broadcast to it) in
            the units in which the network receives them; infinite where there is no bound.
    """

    shape: tuple[int, ...]
    lower: Tensor
    upper: Tensor

    @classmethod
    def unbounded(cls, shape: tuple[int, ...]) -> "Domain":
        """Inputs of a shape, with any values."""
        return cls(shape, torch.tensor(-torch.inf), torch.tensor(torch.inf))

    def to(self, device: torch.device | str) -> "Domain":
        """The same domain on another device."""
        return Domain(self.shape, self.lower.to(device), self.upper.to(device))

    def clamp(self, inputs: Tensor) -> Tensor:
        """The nearest inputs (b x shape) within the bounds."""
        return inputs.clamp(self.lower, self.upper)
