"""Shape and range of a network's inputs, known to the server, which designed the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from spear.errors import ConfigError


@dataclass(frozen=True)
class Domain:
    """Shape and range of an input. Both are public: they do not depend on a private batch.

    Attributes:
        shape: of one input, C x H x W for images.
        lower, upper: least and greatest value of each entry, in the units in which the network
            receives it; shaped like `shape` or broadcast to it, infinite if there is no bound.
    """

    shape: tuple[int, ...]
    lower: Tensor
    upper: Tensor

    @classmethod
    def unbounded(cls, shape: tuple[int, ...]) -> "Domain":
        """Return the domain of inputs of this shape whose values have no bounds.

        Raises:
            ConfigError: the shape is no sequence of whole numbers.
        """
        if not isinstance(shape, Sequence) or not all(isinstance(each, Integral) for each in shape):
            raise ConfigError(
                f"the shape of an input is {shape!r}; expected a tuple, such as (3, 32, 32)."
            )
        return cls(shape, torch.tensor(-torch.inf), torch.tensor(torch.inf))

    def to(self, device: torch.device | str) -> "Domain":
        """Return the same domain on another device."""
        return Domain(self.shape, self.lower.to(device), self.upper.to(device))

    def clamp(self, inputs: Tensor) -> Tensor:
        """Return the nearest inputs (b x shape) within the bounds."""
        return inputs.clamp(self.lower, self.upper)
