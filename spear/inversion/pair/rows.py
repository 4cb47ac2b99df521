"""Rows p of Q^-1: the plane that they lie in, starts in it, and which of them are different."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.directions.basis_of_space import orthogonal_complement
from spear.inversion.factors.gram import unit
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.tolerance import consistency

RADIUS = 4.0
"""Largest distance of a start from the shortest row, in units of sqrt(b) / |s|; true rows lie at 1
to 5 of them."""

NEAREST = 0.2
"""Least distance as a share of the largest."""

SAME = 1e-2
"""Relative distance below which two rows are one."""

BIORTHOGONAL = 1e-2
"""Largest |p_i . q_j| of two samples i, j: it is 0 of true ones."""


@dataclass(frozen=True)
class RowSpace:
    """The rows with s . p = 1: p0 + N v.

    Attributes:
        point: p0, the shortest of them (b).
        basis: N, orthonormal columns (b x (b - 1)).
        typical: length to expect of v.
    """

    point: Tensor
    basis: Tensor
    typical: float

    @classmethod
    def of(cls, problem: PairProblem) -> "RowSpace":
        """Return the plane of a problem's rows."""
        sums = problem.first.bias_coordinates
        length = float(torch.linalg.vector_norm(sums)) or math.inf  # a zero s tells no plane
        point = sums / length**2
        return cls(point, orthogonal_complement(sums[:, None]), problem.b**0.5 / length)

    @property
    def dimension(self) -> int:
        """Number of entries of v."""
        return self.basis.shape[1]

    def random(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw coordinates v of random direction and length (count x d)."""
        dtype, device = self.point.dtype, self.point.device
        shares = torch.rand(count, 1, generator=generator, dtype=dtype, device=device)
        turned = torch.randn(count, self.dimension, generator=generator, dtype=dtype, device=device)
        return unit(turned) * shares.clamp(min=NEAREST) * RADIUS * self.typical

    def rows(self, coordinates: Tensor) -> Tensor:
        """p of v (k x d to k x b)."""
        return self.point + coordinates @ self.basis.T

    def coordinates(self, rows: Tensor) -> Tensor:
        """v of p (k x b to k x d)."""
        return (rows - self.point) @ self.basis


def distinct_rows(rows: Tensor) -> Tensor:
    """Return rows that differ from each one returned before them (k x b)."""
    kept = rows[:0]
    for row in rows:
        distances = torch.linalg.vector_norm(kept - row, dim=1)
        if not bool((distances < SAME * torch.linalg.vector_norm(row)).any()):
            kept = torch.cat([kept, row[None]])
    return kept


def mutually_consistent(problem: PairProblem, samples: Samples) -> list[int]:
    """Indices of samples with p_i . q_j = 0 for all others chosen, the first preferred.

    Args:
        problem: whose samples they are, and whose noise is allowed for.
        samples: any number.
    """
    return biorthogonal(samples, consistency(problem, samples, BIORTHOGONAL))


def biorthogonal(samples: Samples, limits: Tensor) -> list[int]:
    """Indices of samples with |p_i . q_j| below the larger limit for all others chosen.

    Args:
        samples: any number, the first ones preferred.
        limits: of each (k).
    """
    products = (samples.rows @ samples.directions.T).abs()
    worst = torch.maximum(products, products.T)
    chosen: list[int] = []
    for i in range(len(samples)):
        if bool((worst[i, chosen] < limits[chosen].clamp(min=limits[i])).all()):
            chosen.append(i)
    return chosen
