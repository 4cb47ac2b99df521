"""Many weighted Gram matrices of the same rows at once, as one matrix product."""

import torch
from torch import Tensor

TABLE_BYTES = 1 << 28
"""Products of columns kept at a time; a longer table is built again in pieces when it is needed."""


class Grams:
    """H_k = sum_j w_kj y_j y_j^T for K weightings of the same m rows y_j.

    The b^2 products of the entries of each row form a table T (m x b^2), the same for all
    weightings, so that all H_k are the rows of one matrix product W T (K x m times m x b^2). Where
    T is too large to keep, it is built and used a block of rows at a time.

    Args:
        rows: y_j (m x b).
    """

    def __init__(self, rows: Tensor) -> None:
        m, b = rows.shape
        self._shape = (-1, b, b)
        longest = max(1, TABLE_BYTES // (b * b * rows.element_size()))
        self._blocks = rows.split(longest)
        self._table = _products(rows) if m <= longest else None

    def __call__(self, weights: Tensor) -> Tensor:
        """The Gram matrices (K x b x b) of weights (K x m)."""
        if self._table is not None:
            return (weights @ self._table).view(self._shape)
        total: Tensor | None = None
        start = 0
        for block in self._blocks:
            part = weights[:, start : start + len(block)]
            start += len(block)
            product = part @ _products(block)
            total = product if total is None else total.add_(product)
        assert total is not None
        return total.view(self._shape)


def _products(rows: Tensor) -> Tensor:
    return (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)


def solve_positive(matrices: Tensor, right: Tensor, ridge: float) -> Tensor:
    """(H_k + ridge tr(H_k)/b I)^-1 v_k by Cholesky (H: K x b x b, v: K x b; in place in H).

    Where rounding makes a matrix indefinite its v_k is returned as it was.
    """
    diagonal = matrices.diagonal(dim1=1, dim2=2)
    diagonal += ridge * diagonal.mean(dim=1, keepdim=True)
    factor, info = torch.linalg.cholesky_ex(matrices)
    solved = torch.cholesky_solve(right[:, :, None], factor)[:, :, 0]
    return torch.where((info == 0)[:, None], solved, right)
