"""Weighted Gram matrices of the same rows, many at once, and steps to their kernels."""

import torch
from torch import Tensor

from spear.inversion.factors.memory import bytes_at_once

TABLE_BYTES = 1 << 29
"""Products of columns that a CPU keeps at a time; a longer table is built in pieces at each use."""

TRUE_KERNEL = 1e-15
"""Ridge, relative to the mean eigenvalue, that keeps an exact kernel factorisable in float64."""


class Grams:
    """H_k = sum_j w_kj y_j y_j^T for K weightings of the same m rows y_j.

    The b (b + 1) / 2 products of two entries of each row form a table T, the same for all
    weightings, so that the triangles of all H_k are the rows of one matrix product W T (K x m times
    m x b (b + 1) / 2). If T is too large to keep, it is built and used a block of rows at a
    time.

    Args:
        rows: y_j (m x b).
    """

    def __init__(self, rows: Tensor) -> None:
        b = rows.shape[1]
        self._first, self._second = torch.tril_indices(b, b, device=rows.device)
        place = torch.zeros(b, b, dtype=torch.long, device=rows.device)
        place[self._first, self._second] = torch.arange(len(self._first), device=rows.device)
        self._places = torch.maximum(place, place.T).flatten()
        size = bytes_at_once(rows.device, TABLE_BYTES)
        longest = max(1, size // (len(self._first) * rows.element_size()))
        self._blocks = torch.split(rows, longest)
        self._table = self._products(rows) if len(self._blocks) == 1 else None

    def __call__(self, weights: Tensor) -> Tensor:
        """The Gram matrices (K x b x b) of weights (K x m)."""
        triangles = self._triangles(weights)
        b = self._blocks[0].shape[1]
        return triangles.index_select(1, self._places).view(-1, b, b)

    def _triangles(self, weights: Tensor) -> Tensor:
        if self._table is not None:
            return weights @ self._table
        total = weights.new_zeros(len(weights), len(self._first))
        parts = torch.split(weights, [len(block) for block in self._blocks], dim=1)
        for block, part in zip(self._blocks, parts, strict=True):
            total.addmm_(part, self._products(block))
        return total

    def _products(self, rows: Tensor) -> Tensor:
        """Products of two columns, those of each column with it and the ones before it in a run."""
        products = rows.new_empty(len(rows), len(self._first))
        end = 0
        for column in range(rows.shape[1]):
            start, end = end, end + column + 1
            torch.mul(rows[:, column, None], rows[:, : column + 1], out=products[:, start:end])
        return products


def grams_once(rows: Tensor, weights: Tensor) -> Tensor:
    """Build the Gram matrices of `Grams` for rows that are weighted once, without a table to keep.

    The terms are the same but rounded in another order, so that the last bits differ from those of
    `Grams`.

    Args:
        rows: y_j (m x b).
        weights: K x m, numbers or booleans.

    Returns:
        K x b x b.
    """
    b = rows.shape[1]
    weights = weights.to(rows.dtype)
    if len(weights) < b:  # fewer entries than all products of two entries of a row
        return (rows.T * weights[:, None, :]) @ rows
    products = (rows[:, :, None] * rows[:, None, :]).reshape(-1, b * b)
    return (weights @ products).reshape(-1, b, b)


def inverse_iteration(grams: Tensor, vectors: Tensor, ridge: float) -> Tensor:
    """Return H_k^-1 v_k / |H_k^-1 v_k|, a step towards the least eigenvector of each matrix.

    Args:
        grams: K x b x b, symmetric and positive; overwritten.
        vectors: v_k (K x b).
        ridge: added to the diagonal, as a share of its mean.

    Returns:
        Unit vectors (K x b); v_k unchanged if rounding has made H_k indefinite.
    """
    diagonal = grams.diagonal(dim1=1, dim2=2)
    diagonal += ridge * diagonal.mean(dim=1, keepdim=True)
    factor, info = torch.linalg.cholesky_ex(grams)
    solved = torch.cholesky_solve(vectors[:, :, None], factor)[:, :, 0]
    solved = torch.where((info == 0)[:, None], solved, vectors)
    return unit(solved)


def unit(vectors: Tensor) -> Tensor:
    """Rows divided by their lengths."""
    return vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
