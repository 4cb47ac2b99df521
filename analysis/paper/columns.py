"""A table of the paper in three columns: the paper, its method run again, and ours."""

from collections.abc import Callable, Mapping

import pandas as pd

from spear.analysis.paper.comparison import Cell, Measure, cells, how
from spear.analysis.render.methods import ALGORITHM_1, METHODS, OURS

THE_PAPER = "the paper"
WITH_RIVALS = f"{ALGORITHM_1} or rival, run here"
"""Heading of the second column if some rows are of rivals."""

REPRODUCED, IMPROVED = "reproduced", "ours is"
"""Headings of the two kinds of verdict."""

More = Mapping[str, Callable[[Cell], str]]
"""Heading of a further column -> its text."""


def three_columns(
    table: str,
    results: pd.DataFrame,
    keys: dict[str, str],
    compared: dict[str, Measure],
    *,
    again: str = ALGORITHM_1,
    more_cells: pd.DataFrame | None = None,
    more: More | None = None,
) -> pd.DataFrame:
    """Return a table of text with a row for each value, measure by measure.

    Args:
        table, results, keys, compared, more_cells: as in `spear.analysis.paper.comparison.cells`.
        again: heading of the second column.
        more: further columns, at the end.
    """
    found = [*cells(table, results, keys, compared, more_cells)]
    order = [*compared]
    rows = [
        {
            "measure": each.measure.title,
            **{key: METHODS.get(text, text) for key, text in each.keys.items()},
            THE_PAPER: each.paper_text,
            again: each.again_text,
            REPRODUCED: each.reproduced,
            OURS: each.ours_text,
            IMPROVED: each.improved,
            "batches": _batches(each),
            **{title: text(each) for title, text in (more or {}).items()},
        }
        for each in sorted(found, key=lambda each: order.index(each.column))
    ]
    return pd.DataFrame(rows)


def _batches(cell: Cell) -> str:
    """Return the numbers of batches: "5 (information sets), 100"."""
    way = how(cell.again)
    parts = [f"{len(cell.again)}{f' ({way})' if way else ''}"] if len(cell.again) else []
    parts += [str(len(cell.ours))] if len(cell.ours) else []
    return ", ".join(parts)


def bound(cell: Cell) -> str:
    """Return the PSNR by least squares had dL/dZ been known, beside a PSNR of ours."""
    shown = cell.column == "psnr" and len(cell.ours)
    return f"{cell.ours['psnr_bound'].mean():.1f}" if shown else ""


def by_cell(
    table: str, results: pd.DataFrame, keys: dict[str, str], compared: dict[str, Measure]
) -> pd.DataFrame:
    """Return a table of text with a row for each cell of SPEAR's that has a record.

    Args:
        table, results, keys, compared: as in `spear.analysis.paper.comparison.cells`.
    """
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for each in cells(table, results, keys, compared):
        if not each.of_spear or (each.again.empty and each.ours.empty):
            continue
        title = each.measure.title
        rows.setdefault(tuple(each.keys.values()), {**each.keys}).update(
            {
                f"{title}: {THE_PAPER}": each.paper_text,
                f"{title}: {ALGORITHM_1}": each.again_text,
                f"{title}: {OURS}": each.ours_text,
                f"{title}: {IMPROVED}": each.improved,
                **({"bound": bound(each)} if each.column == "psnr" else {}),
            }
        )
    return pd.DataFrame([*rows.values()])
