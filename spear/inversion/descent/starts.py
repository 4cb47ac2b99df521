"""Starts of a round of the search."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

EXPONENTS = (1.0, 0.5)
"""p of the sparsity that is minimised."""

SHARPNESS = (2.0, 3.0, 1.0)
"""beta of the activation weights."""

FEWEST = 24
SPARE = 8


@dataclass(frozen=True)
class Starts:
    """K searches, each with its own settings.

    Attributes:
        directions: unit vectors (K x b).
        exponents: p of each search (K x 1).
        sharpness: beta of each search (K x 1).
    """

    directions: Tensor
    exponents: Tensor
    sharpness: Tensor

    def __len__(self) -> int:
        return len(self.directions)

    def split(self, size: int) -> "list[Starts]":
        """The same searches in parts of at most `size`."""
        parts = [
            torch.split(each, size) for each in (self.directions, self.exponents, self.sharpness)
        ]
        return [Starts(*part) for part in zip(*parts, strict=True)]


def start_count(missing: int) -> int:
    """More than twice the number of directions still missing: random starts find some twice."""
    return max(FEWEST, 2 * missing + SPARE)


def random_starts(
    count: int,
    b: int,
    exponents: Sequence[float],
    sharpness: Sequence[float],
    generator: torch.Generator,
    dtype: torch.dtype,
) -> Starts:
    """Uniformly random directions, with every combination of the settings in turn."""
    device = generator.device
    index = torch.arange(count, device=device)
    p = torch.tensor(exponents, dtype=dtype, device=device)
    beta = torch.tensor(sharpness, dtype=dtype, device=device)
    return Starts(
        directions=torch.randn(count, b, generator=generator, dtype=dtype, device=device),
        exponents=p[index % len(p)][:, None],
        sharpness=beta[(index // len(p)) % len(beta)][:, None],
    )
