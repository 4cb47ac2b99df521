"""Test whether its zero rows determine a direction (Theorem 3.3), whatever row is left out."""

import torch
from torch import Tensor

from spear.inversion.factors.factorization import Decomposition
from spear.inversion.factors.gram import grams_once

UNDECIDED = 1e-6
"""A row whose leverage is closer to 1 than this carries a dimension alone."""

SINGULAR = 1e-8
"""Pivots of the zero rows' Gram matrix below this share of its mean eigenvalue are noise: their
kernel has more than one dimension."""


def is_determined(problem: Decomposition, directions: Tensor, zeros: Tensor) -> Tensor:
    """Tell for each direction whether its zero rows determine it even without any one of them.

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
    grams = grams_once(problem.left, zeros.T)
    return stands_without_any_row(problem.left, grams, directions.T, zeros.T)


def has_kernel_of_one(problem: Decomposition, directions: Tensor, zeros: Tensor) -> Tensor:
    """Tell for each direction whether its zero rows leave no other (Theorem 3.3: rank b - 1).

    Args:
        problem, directions, zeros: see `is_determined`.

    Returns:
        k booleans.
    """
    b = len(directions)
    if b == 1:
        return torch.ones(directions.shape[1], dtype=torch.bool, device=directions.device)
    grams = grams_once(problem.left, zeros.T)
    return torch.linalg.eigvalsh(grams)[:, 1] > SINGULAR * grams.diagonal(dim1=1, dim2=2).mean(1)


def stands_without_any_row(
    left: Tensor, grams: Tensor, directions: Tensor, zeros: Tensor
) -> Tensor:
    """Do as `is_determined` for row vectors, given the Gram matrices of their zero rows.

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
