"""Share of the examples that DP-SGD clipped in recorded batches.

Records have it for each batch since it is recorded (`spear.scoring.clipped`). For those from
before, `python -m benchmarks.clipped_examples` counts it on the same batches and networks, and
writes the table.
"""

from functools import cache
from pathlib import Path

import pandas as pd

CLIPPED = Path(__file__).with_name("clipped.csv")

COLUMNS = ["data_hash", "C", "batches", "examples", "clipped"]
"""Columns of `CLIPPED`, a row for each C of the batches of one hash: of their `examples`, the
gradients of `clipped` are longer than C."""

HASH = "data_hash"

RECORDED = "details.clipped"
"""Column of batches whose record has the share."""


@cache
def counted() -> pd.DataFrame:
    """Return the table of `COLUMNS`."""
    return pd.read_csv(CLIPPED)


def share_clipped(batches: pd.DataFrame, max_norm: float) -> float | None:
    """Return the share of clipped examples in [0, 1], or None if it is not known.

    Args:
        batches: recorded batches of one job or of several with the same C.
        max_norm: C.
    """
    if RECORDED in batches and batches[RECORDED].notna().all():
        return float(batches[RECORDED].mean()) if len(batches) else None
    if HASH not in batches:
        return None
    table = counted()
    rows = table[table[HASH].isin(batches[HASH]) & (table["C"] == max_norm)]
    if not set(batches[HASH]) <= set(rows[HASH]) or rows.empty:
        return None
    return float(rows["clipped"].sum() / rows["examples"].sum())
