"""First candidates of the search."""

from math import ceil
from typing import Protocol

import torch
from torch import Tensor

from spear.domain import Domain
from spear.errors import ConfigError


class Initialisation(Protocol):
    """A first candidate. A new one implements the call and is named in a file of `conf/attack/`."""

    def __call__(self, b: int, domain: Domain, generator: torch.Generator) -> Tensor:
        """A batch (b x domain.shape) on the CPU, in the units that the network receives."""
        ...


class Normal:
    """Every entry standard normal."""

    def __call__(self, b: int, domain: Domain, generator: torch.Generator) -> Tensor:
        """Implement `Initialisation`."""
        return torch.randn(b, *domain.shape, generator=generator)


class PatternedNormal:
    """A standard normal square of `side` pixels, tiled over the image.

    Args:
        side: of the square.

    Raises:
        ConfigError: side < 1.
    """

    def __init__(self, side: int = 4) -> None:
        if side < 1:
            raise ConfigError(f"side is {side}; expected at least 1 pixel.")
        self.side = side

    def __call__(self, b: int, domain: Domain, generator: torch.Generator) -> Tensor:
        """See `Initialisation`. Without rows and columns, the last dimension alone is tiled."""
        shape = domain.shape
        tiled = range(max(len(shape) - 2, 0), len(shape))
        small = [self.side if i in tiled else size for i, size in enumerate(shape)]
        times = [ceil(size / least) for size, least in zip(shape, small, strict=True)]
        pattern = torch.randn(b, *small, generator=generator).repeat(1, *times)
        return pattern[(slice(None), *(slice(size) for size in shape))]
