"""Directions from submatrices L_A of b + 1 rows, for noisy gradients (App. E.6).

On b + 1 rows that are zeros of one column of dL/dZ, L_A has rank b - 1 up to noise: its smallest
singular value is as small as the noise, and the corresponding right singular vector is that
column's direction by least squares. Two samplers draw the same submatrices:

* `SvdKernels`, the paper's: one singular value decomposition per submatrix.
* `LeverageKernels`: b + 2 submatrices, each without one row of b + 2, from one Cholesky
  factorisation. With G the Gram matrix of the b + 2 rows, u = G^-1 a_k and h_k = a_k . u (the
  leverage of row k), the Gram matrix of the others is G - a_k a_k^T, so that (Sherman and Morrison)
  u is one step of inverse iteration for them, and |L_A u|^2 = h_k (1 - h_k).
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from spear.inversion.sampling.samplers import random_subsets


@dataclass(frozen=True)
class Kernels:
    """The kernels of k submatrices L_A, if they have one.

    Attributes:
        directions: unit vectors q (k x b).
        residuals: |L_A q|^2 (k), small if the rank is below b.
        errors: sum of 1 / sigma^2 over the other singular values sigma of L_A (k): what errors of
            unit variance in L_A q add to the variance of q. Large where the rank is below b - 1.

    Submatrices of deficient rank may have NaN for any of these.
    """

    directions: Tensor
    residuals: Tensor
    errors: Tensor

    def __len__(self) -> int:
        return self.directions.shape[0]

    def __getitem__(self, chosen: Tensor) -> "Kernels":
        """The kernels of some of the submatrices, by index or by mask."""
        return Kernels(self.directions[chosen], self.residuals[chosen], self.errors[chosen])


class KernelSampler(Protocol):
    """Draws submatrices of b + 1 rows. A new one gets a file in `conf/attack/kernels`."""

    def per_draw(self, b: int) -> int:
        """Submatrices that one draw yields."""
        ...

    def rows(self, b: int) -> int:
        """Rows that one draw takes."""
        ...

    def draw(self, left: Tensor, count: int, generator: torch.Generator) -> Kernels:
        """Kernels of random submatrices.

        Args:
            left: rows to sample from (m' x b, m' >= `rows(b)`).
            count: number of draws; each yields `per_draw` submatrices.
            generator: on the device of `left`.
        """
        ...


class SvdKernels:
    """The singular value decomposition of each (b + 1) x b submatrix."""

    def per_draw(self, b: int) -> int:
        """Number of submatrices per decomposition: 1."""
        return 1

    def rows(self, b: int) -> int:
        """Number of rows of the submatrix."""
        return b + 1

    def draw(self, left: Tensor, count: int, generator: torch.Generator) -> Kernels:
        """Implement `KernelSampler.draw`."""
        rows = random_subsets(left.shape[0], self.rows(left.shape[1]), count, generator)
        return svd_kernels(left[rows])


class LeverageKernels:
    """All b + 2 submatrices that leave out one of b + 2 rows.

    For a submatrix of rank b - 1 it gives the direction of an SVD, up to an angle of the order of
    `residuals` times `errors` and less than the noise's. For one of rank b only `residuals` have a
    meaning, and are too large rather than too small.
    """

    def per_draw(self, b: int) -> int:
        """Number of submatrices per draw, each without one row: b + 2."""
        return b + 2

    def rows(self, b: int) -> int:
        """Number of rows of a submatrix, and one more."""
        return b + 2

    def draw(self, left: Tensor, count: int, generator: torch.Generator) -> Kernels:
        """Implement `KernelSampler.draw`."""
        rows = random_subsets(left.shape[0], self.rows(left.shape[1]), count, generator)
        return leverage_kernels(left[rows])


def svd_kernels(submatrices: Tensor) -> Kernels:
    """The kernel of each of k matrices with at least as many rows as columns (k x rows x b)."""
    _, values, vectors = torch.linalg.svd(submatrices, full_matrices=False)
    squares = values.square()
    return Kernels(vectors[:, -1], squares[:, -1], squares[:, :-1].reciprocal().sum(dim=1))


def leverage_kernels(sets: Tensor) -> Kernels:
    """The kernel of each of k r submatrices that leave out a row of k sets of r rows (k x r x b).

    (G - a_k a_k^T)^-1 = G^-1 + u u^T / (1 - h_k), so that its trace less its value in the
    direction of u, u . (...) u / |u|^2, is that of G^-1.
    """
    factors, info = torch.linalg.cholesky_ex(sets.mT @ sets)
    factors[info != 0] = torch.nan
    identity = torch.eye(sets.shape[2], dtype=sets.dtype, device=sets.device).expand_as(factors)
    inverses = torch.linalg.solve_triangular(factors, identity, upper=False)
    whitened = sets @ inverses.mT
    solutions = whitened @ inverses
    leverages = whitened.square().sum(dim=2)
    lengths = solutions.square().sum(dim=2)
    residuals = leverages * (1 - leverages).clamp(min=0.0) / lengths
    solutions /= lengths.sqrt()[:, :, None]
    traces = inverses.square().sum(dim=(1, 2))
    errors = traces[:, None] - (solutions @ inverses.mT).square().sum(dim=2)
    return Kernels(solutions.flatten(0, 1), residuals.flatten(), errors.flatten())
