"""A matrix of low rank from some of its entries, by alternating least squares."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.budget import Budget

FIRST_RIDGE, SHRINKING, LAST_RIDGE = 1.0, 0.7, 1e-15
"""Ridge of the first sweep, its factor in each further one, and its least, relative to the share of
entries known. The first ones keep few strong entries from deciding alone."""

SINGULAR = 1e-6
"""Smallest eigenvalue of normal equations, beside the largest, with which they determine a row."""

SETTLED = 1e-3
"""Share of the residual that ten sweeps take away at least, once the ridge is at its least."""


@dataclass(frozen=True)
class LowRank:
    """A matrix U V^T of rank r that agrees with the known entries.

    Attributes:
        left: U (m x r).
        right: V (n x r), with orthonormal columns.
        residual: norm of the difference at the known entries, relative to theirs.
    """

    left: Tensor
    right: Tensor
    residual: float


def fitted(
    matrix: Tensor, known: Tensor, rank: int, sweeps: int = 400, budget: Budget | None = None
) -> LowRank:
    """Return the matrix of a rank that fits the known entries.

    The first one is from the SVD with zeros for the others.

    Args:
        matrix: float64 (m x n), 0 where nothing is known.
        known: true for each known entry (m x n).
        rank: r, at most m and n.
        sweeps: most sweeps.
        budget: ends the sweeps when it is over; None for no limit.
    """
    mask = known.to(matrix)
    left = torch.linalg.svd(matrix, full_matrices=False).U[:, :rank]
    size, share = float(matrix.norm()), float(mask.mean())
    residuals: list[float] = []
    for sweep in range(sweeps):
        ridge = share * len(matrix) * max(FIRST_RIDGE * SHRINKING**sweep, LAST_RIDGE)
        right = regressed(matrix.T, mask.T, torch.linalg.qr(left).Q, ridge)
        right = torch.linalg.qr(right).Q
        left = regressed(matrix, mask, right, ridge)
        residuals.append(float(((left @ right.T - matrix) * mask).norm()) / size)
        if ridge <= share * len(matrix) * LAST_RIDGE and _settled(residuals):
            break
        if budget is not None and budget.over():
            break
    return LowRank(left, right, residuals[-1])


def regressed(matrix: Tensor, mask: Tensor, right: Tensor, ridge: float = 0.0) -> Tensor:
    """Return U such that U V^T fits the known entries of each row by least squares.

    Args:
        matrix: m x n, 0 where nothing is known.
        mask: weight of each entry (m x n); 1 if it is known, 0 if nothing is.
        right: V (n x r).
        ridge: added to the diagonal of each row's normal equations.
    """
    normal = _normal(mask, right)
    normal = normal + ridge * torch.eye(right.shape[1], dtype=right.dtype, device=right.device)
    return torch.linalg.solve(normal, (matrix @ right).unsqueeze(-1)).squeeze(-1)


def determined(known: Tensor, right: Tensor) -> Tensor:
    """Return which rows of U follow from their known entries (m), to all digits but a few.

    Args:
        known: 1 for each known entry, else 0 (m x n).
        right: V (n x r).
    """
    eigenvalues = torch.linalg.eigvalsh(_normal(known, right))
    return eigenvalues[:, 0] > SINGULAR * eigenvalues[:, -1]


def _normal(mask: Tensor, right: Tensor) -> Tensor:
    """V^T diag(row of the mask) V for each row (m x r x r)."""
    r = right.shape[1]
    products = (right[:, :, None] * right[:, None, :]).reshape(len(right), r * r)
    return (mask @ products).reshape(-1, r, r)


def _settled(residuals: list[float]) -> bool:
    return len(residuals) > 10 and residuals[-11] - residuals[-1] < SETTLED * residuals[-1]
