"""Making a direction exact: the kernel of *all* rows on which it vanishes, by least squares."""

import torch
from torch import Tensor

from spear.inversion.factors.factorization import Decomposition

FIRST_TOLERANCE = 1e-3
"""Entries of L q below this (where the mean square of L q is 1) may be zeros of a direction that
was computed in float32 from b - 1 rows alone."""

TIGHTENING = 10.0
"""Factor by which the tolerance falls from one round to the next."""

UNDECIDED = 1e-6
"""A row whose leverage is closer to 1 than this carries a dimension alone."""

SINGULAR = 1e-8
"""Pivots of the zero rows' Gram matrix below this share of its mean eigenvalue are noise: their
kernel has more than one dimension."""


def refine(problem: Decomposition, directions: Tensor) -> Tensor:
    """Refit each direction to its zero rows while the tolerance falls to the gradient's noise.

    A direction from b - 1 rows carries the noise of those rows, magnified by their condition. Its
    zero set has some m/2 rows: the q that minimises sum_j ((L q)_j / e_j)^2 over them, with e_j the
    noise of row j, averages that noise out. Entries that were small by chance drop out as the
    tolerance falls. On float32 gradients this is worth 40 dB and more.

    Args:
        problem: the factorised observation.
        directions: approximate unit vectors as columns (b x k).

    Returns:
        Unit vectors as columns (b x k), float64.
    """
    directions = directions.to(torch.float64)
    tolerance = FIRST_TOLERANCE
    while True:
        limit = problem.noise.not_zero * problem.noise.deviation(directions)
        allowed = limit.clamp(min=tolerance)
        zeros = (problem.left @ directions).abs() <= allowed
        directions = _kernels(problem.left, zeros * (allowed.amin(dim=0) / allowed).square())
        if tolerance < float(limit.min()):
            return directions
        tolerance /= TIGHTENING


def is_determined(problem: Decomposition, directions: Tensor, zeros: Tensor) -> Tensor:
    """Whether the zero rows of each direction would determine it even without any one of them.

    Theorem 3.3 asks for rank b - 1. A mixture of two true directions has their common zeros, whose
    rank is b - 2, and can be given one more zero anywhere by the choice of its coefficients: one
    row then carries a dimension alone (its leverage is 1), and the next mixture differs just there.
    Inputs with correlated activations (un-normalised pixels) bring thousands of these.

    Args:
        problem: the factorised observation.
        directions: refined unit vectors as columns (b x k).
        zeros: their zero patterns (m' x k).

    Returns:
        k booleans.
    """
    return stands_without_any_row(problem.left, _grams(problem.left, zeros), directions.T, zeros.T)


def stands_without_any_row(
    left: Tensor, grams: Tensor, directions: Tensor, zeros: Tensor
) -> Tensor:
    """`is_determined` for row vectors, given the Gram matrices of the zero rows.

    Args:
        left: L (m' x b).
        grams: sum of l_j l_j^T over the zero rows of each direction (k x b x b).
        directions: unit vectors (k x b).
        zeros: k x m'.
    """
    # The direction itself fills the kernel, so that a full-rank Gram matrix can be inverted.
    scale = grams.diagonal(dim1=1, dim2=2).mean(dim=1)
    kernel = directions[:, :, None] * directions[:, None, :]
    factor, info = torch.linalg.cholesky_ex(grams + scale[:, None, None] * kernel)
    pivots = factor.diagonal(dim1=1, dim2=2).amin(dim=1).square()
    spread = torch.linalg.solve_triangular(factor, left.T.expand(len(factor), -1, -1), upper=False)
    leverage = (spread.square().sum(dim=1) * zeros).amax(dim=1)
    return (info == 0) & (pivots > SINGULAR * scale) & (leverage < 1 - UNDECIDED)


def _grams(left: Tensor, weights: Tensor) -> Tensor:
    """sum_j w_j l_j l_j^T over the rows l_j of `left` for each column w of weights; k x b x b."""
    b = left.shape[1]
    if weights.shape[1] < b:  # fewer entries than all products of two entries of a row
        return (left.T * weights.T.to(left.dtype)[:, None, :]) @ left
    products = (left[:, :, None] * left[:, None, :]).reshape(-1, b * b)
    return (weights.to(products.dtype).T @ products).reshape(-1, b, b)


def _kernels(left: Tensor, weights: Tensor) -> Tensor:
    """The unit vectors q of least sum_j w_j (L q)_j^2, for each column of weights; b x k."""
    return torch.linalg.eigh(_grams(left, weights)).eigenvectors[:, :, 0].T
