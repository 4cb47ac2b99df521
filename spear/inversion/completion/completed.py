"""A gradient of low rank completed from the entries that pruning left.

dL/dW = dL/dZ X^T has rank b, and so has [dL/dW, dL/dbias], since dL/dbias = dL/dZ 1. Entries that
are left are exact. A matrix of rank b has b (m + n - b) unknowns, far fewer than entries are left:
alternating least squares finds it on the rows and columns with enough of them, and the other rows
and columns follow one by one. Derivation and limits: docs/theory/pruned-gradients.md.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from spear.budget import Budget
from spear.inversion.completion.alternating import LowRank, determined, fitted, regressed
from spear.inversion.completion.core import well_known

CORE = 2.0
"""Entries left in a row or column of the first set, as a multiple of the rank."""

SPARE = 3
"""Entries left in a further row or column, beyond the rank: they check it."""

ROUNDINGS = 16.0
"""Largest residual of a fit, in units of the rounding of the gradient's precision."""

SMALL = 1e-6
"""Weight of a removed entry beside one that is left, in columns that are not determined."""

PRECISION = 1e-13
"""Rounding of the normal equations in float64, which solve for the factors."""

COLUMNS = 400
"""Columns, those with the most entries left, on which the rank is found."""


@dataclass(frozen=True)
class Completed:
    """A gradient as far as its left entries determine it.

    Attributes:
        matrix: float64 (m x n). Rows that are not determined are 0; columns that are not meet the
            entries left and make those removed small.
        rows, columns: true for those that are determined (m, n).
        rank: r.
        residual: at the entries left in these rows and columns, relative to their norm.
        surplus: entries left there for each unknown of a matrix of this rank; above 1.
    """

    matrix: Tensor
    rows: Tensor
    columns: Tensor
    rank: int
    residual: float
    surplus: float


def complete(
    gradient: Tensor, most: int | None = None, budget: Budget | None = None
) -> Completed | None:
    """Return the gradient of lowest rank that has the entries left, if they determine one.

    Args:
        gradient: m x n, 0 for each entry that was removed.
        most: largest rank that is tried; half of the smaller dimension unless given.
        budget: of the time; None for no limit.

    Returns:
        The completed gradient; None if no rank explains the entries to their rounding, or the
        budget was over before one did.
    """
    matrix, known = gradient.double(), gradient != 0
    limit = ROUNDINGS * max(torch.finfo(gradient.dtype).eps, PRECISION)
    budget = budget or Budget()
    rank = _rank(matrix, known, most or min(matrix.shape) // 2, limit, budget)
    if rank is None:
        return None
    rows, columns = well_known(known, CORE * rank)
    core = _fit(matrix, known, rows, columns, rank, budget)
    if core is None or core.residual > limit:
        return None
    return _grown(matrix, known, rows, columns, core, limit)


def _rank(matrix: Tensor, known: Tensor, most: int, limit: float, budget: Budget) -> int | None:
    """The lowest rank that fits the columns with the most entries left; None if none is found."""
    best = known.sum(dim=0).topk(min(COLUMNS, known.shape[1])).indices
    matrix, known = matrix[:, best], known[:, best]

    @cache
    def fit(rank: int) -> LowRank | None:
        return _fit(matrix, known, *well_known(known, CORE * rank), rank, budget)

    def too_low(rank: int) -> bool:
        found = fit(rank)
        return found is not None and found.residual > limit

    low, high = 0, 1
    while too_low(high):
        low, high = high, 2 * high
        if low >= most or budget.over():
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if too_low(middle) else (low, middle)
        if budget.over():
            return None
    return high if fit(high) is not None else None


def _fit(
    matrix: Tensor, known: Tensor, rows: Tensor, columns: Tensor, rank: int, budget: Budget
) -> LowRank | None:
    """The fit on some rows and columns; None if these are too few to tell."""
    if min(int(rows.sum()), int(columns.sum())) < CORE * rank:
        return None
    return fitted(matrix[rows][:, columns], known[rows][:, columns], rank, budget=budget)


def _grown(
    matrix: Tensor, known: Tensor, rows: Tensor, columns: Tensor, core: LowRank, limit: float
) -> Completed | None:
    """The other rows and columns, as far as enough entries are left in those that are known."""
    rank = core.right.shape[1]
    mask = known.to(matrix)
    right = matrix.new_zeros(matrix.shape[1], rank)
    right[columns] = core.right
    for _ in range(max(matrix.shape)):
        before = int(rows.sum() + columns.sum())
        rows = _known_by(mask, right, columns)
        left = _regressed(matrix, mask, right, rows, columns)
        columns = _known_by(mask.T, left, rows)
        right = _regressed(matrix.T, mask.T, left, columns, rows)
        if int(rows.sum() + columns.sum()) == before:
            break
    if not bool(rows.any() and columns.any()):
        return None
    weights = mask.T + SMALL
    right = right + _regressed(matrix.T, weights, left, ~columns, rows)
    completed = left @ right.T
    seen = mask * rows[:, None] * columns[None, :]
    size = float((matrix * seen).norm())
    residual = float(((completed - matrix) * seen).norm()) / size
    unknowns = rank * (int(rows.sum()) + int(columns.sum()) - rank)
    surplus = float(seen.sum()) / unknowns
    if residual > limit or surplus <= 1:
        return None
    return Completed(completed, rows, columns, rank, residual, surplus)


def _known_by(mask: Tensor, right: Tensor, columns: Tensor) -> Tensor:
    """Which rows follow from the columns that are known, with entries to spare."""
    seen = mask * columns
    enough = seen.sum(dim=1) >= right.shape[1] + SPARE
    enough[enough.clone()] = determined(seen[enough], right)
    return enough


def _regressed(
    matrix: Tensor, mask: Tensor, right: Tensor, rows: Tensor, columns: Tensor
) -> Tensor:
    """The left factor of some rows from some columns; 0 for the other rows."""
    found = matrix.new_zeros(len(matrix), right.shape[1])
    found[rows] = regressed(matrix[rows][:, columns], mask[rows][:, columns], right[columns])
    return found
