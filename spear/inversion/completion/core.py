"""Rows and columns of a pruned matrix in which enough entries are left."""

from torch import Tensor


def well_known(known: Tensor, least: float) -> tuple[Tensor, Tensor]:
    """Return the largest sets of rows and columns with enough entries left in each other.

    Args:
        known: true for each entry that is left (m x n).
        least: entries that each row needs in the columns of the set, and each column in the rows.

    Returns:
        Two boolean vectors (m, n); all false if there are no such sets.
    """
    counted = known.double()
    rows, columns = known.any(dim=1), known.any(dim=0)
    while True:
        fewer_rows = rows & (counted @ columns.double() >= least)
        fewer_columns = columns & (fewer_rows.double() @ counted >= least)
        if bool((fewer_rows == rows).all() and (fewer_columns == columns).all()):
            return rows, columns
        rows, columns = fewer_rows, fewer_columns
