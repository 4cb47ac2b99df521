"""The paper's value, its method run again, and ours: a row for each value that the paper gives.

The paper's values are in `analysis/paper/`, a file for each table, copied from its text. A table's
module says which of our columns corresponds to each of them (`KEYS`, `COMPARED`).
`spear.analysis.render.methods` says which attack stands in which column.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from spear.analysis.paper import verdicts
from spear.analysis.records.hardware import place
from spear.analysis.render import methods
from spear.analysis.statistics.measures import duration, with_interval

PAPER = Path(__file__).parent

NONE = float("nan")

METHOD, SPEAR = "method", "spear"
"""Key of a table that has rows of rivals, and its value for SPEAR's own."""

Text = Callable[[pd.Series], str]
"""Function of one value of each batch: their mean as text."""


@dataclass(frozen=True)
class Measure:
    """Value that a table compares.

    Attributes:
        title: heading, with the unit.
        value: our value, of our batches of a cell; NaN if they have none.
        text: our value as text.
        paper: the paper's value as text, of its value and half of its interval (0 if none).
        sign: comparison of our batches with the paper's value and half interval, as in
            `spear.analysis.paper.verdicts`. None for what is not judged.
        column: column that counts only batches with a value; "" if all count.
    """

    title: str
    value: Callable[[pd.DataFrame], float]
    text: Callable[[pd.DataFrame], str]
    paper: Callable[[float, float], str]
    sign: Callable[[pd.DataFrame, float, float], int | None] | None = None
    column: str = ""

    def of(self, batches: pd.DataFrame) -> pd.DataFrame:
        """Return the batches that it counts."""
        return batches[batches[self.column].notna()] if self.column else batches


@dataclass(frozen=True)
class Cell:
    """A value of a cell of the paper's table with our batches of the cell.

    Attributes:
        keys: text of each key of the cell.
        column, measure: column of the paper's table, and how ours is measured.
        paper: the paper's value; NaN if it does not give one.
        half: half of the paper's interval; 0 if it does not give one.
        again, ours: batches of the paper's method, run again, and of ours; may be empty.
    """

    keys: dict[str, str]
    column: str
    measure: Measure
    paper: float
    half: float
    again: pd.DataFrame
    ours: pd.DataFrame

    @property
    def of_spear(self) -> bool:
        """Return whether the paper's value is SPEAR's, and no rival's."""
        return self.keys.get(METHOD, SPEAR) == SPEAR

    @property
    def reproduced(self) -> str:
        """Verdict on the paper's method, run again; empty if there is none."""
        return self._verdict(self.again, verdicts.REPRODUCED)

    @property
    def improved(self) -> str:
        """Verdict on ours; empty if there is none."""
        return self._verdict(self.ours, verdicts.IMPROVED)

    def value(self, batches: pd.DataFrame) -> float:
        """Return our value; NaN if there is none."""
        return self.measure.value(batches) if len(batches) else NONE

    @property
    def paper_text(self) -> str:
        """The paper's value as text."""
        return "-" if pd.isna(self.paper) else self.measure.paper(self.paper, self.half)

    @property
    def again_text(self) -> str:
        """Value of the paper's method, run again, as text; empty for a row of ours alone."""
        if pd.isna(self.value(self.again)):
            return "" if pd.isna(self.paper) else methods.NOT_RUN
        return self.measure.text(self.again)

    @property
    def ours_text(self) -> str:
        """Our value as text; empty beside a rival, since ours stands beside SPEAR."""
        if pd.isna(self.value(self.ours)):
            return methods.NOT_RUN if self.of_spear and pd.notna(self.paper) else ""
        return self.measure.text(self.ours)

    def _verdict(self, batches: pd.DataFrame, words: dict[int, str]) -> str:
        if self.measure.sign is None or pd.isna(self.paper) or pd.isna(self.value(batches)):
            return ""
        return verdicts.said(self.measure.sign(batches, self.paper, self.half), words)


def papers(table: str) -> pd.DataFrame:
    """Return the paper's table; accuracy in per cent, PSNR in dB, times in seconds."""
    return pd.read_csv(PAPER / f"{table}.csv")


def share(column: str, title: str = "accuracy") -> Measure:
    """Measure the batches for which `column` is true, in per cent."""

    def right(batches: pd.DataFrame) -> int:
        return int(batches[column].sum())

    return Measure(
        title,
        lambda batches: 100 * right(batches) / len(batches),
        lambda batches: f"{right(batches)}/{len(batches)}",
        lambda paper, _: f"{paper:g} %",
        lambda batches, paper, _: verdicts.of_share(right(batches), len(batches), paper),
    )


def mean(
    column: str,
    title: str = "PSNR [dB]",
    *,
    higher_is_better: bool = True,
    text: Text = with_interval,
    form: str = ".1f",
    half_form: str | None = None,
    judged: bool = True,
) -> Measure:
    """Measure the mean over the batches that have a value.

    Args:
        column: column of the batches.
        title: heading, with the unit.
        higher_is_better: whether a higher value is the better one.
        text: our mean as text.
        form, half_form: formats of the paper's value and of half its interval.
        judged: whether there is a verdict.
    """
    sign = 1 if higher_is_better else -1

    def compared(batches: pd.DataFrame, paper: float, half: float) -> int | None:
        return verdicts.of_mean(sign * batches[column], sign * paper, half)

    return Measure(
        title,
        lambda batches: float(batches[column].mean()),
        lambda batches: text(batches[column]),
        lambda paper, half: f"{paper:{form}}" + (f" ± {half:{half_form or form}}" if half else ""),
        compared if judged else None,
        column,
    )


def seconds() -> Measure:
    """Measure the median time of a batch, with its hardware; it is not judged."""
    return Measure(
        "time",
        lambda batches: float(batches["seconds"].median()),
        lambda batches: ", ".join(
            filter(None, (duration(float(batches["seconds"].median())), place(batches)))
        ),
        lambda paper, _: f"{duration(paper)}, GPU",
    )


def cell_of(ours: pd.DataFrame, paper: pd.Series, keys: dict[str, str]) -> pd.DataFrame:
    """Return our batches of one of the paper's cells.

    Args:
        ours: our batches.
        paper: a row of the paper's table.
        keys: column of the paper's table -> our column; together they identify a cell.
    """
    for theirs, name in keys.items():
        value = paper[theirs]
        if pd.isna(value):  # the cell has any
            continue
        if isinstance(value, str):
            ours = ours[ours[name] == value]
        else:
            ours = ours[(ours[name].astype(float) - value).abs() <= 1e-9 * abs(value)]
    return ours


def cells(
    table: str,
    results: pd.DataFrame,
    keys: dict[str, str],
    compared: dict[str, Measure],
    more: pd.DataFrame | None = None,
) -> Iterator[Cell]:
    """Yield every value of the paper's table, and those of ours that it does not have.

    Args:
        table: name of the paper's table.
        results: our batches.
        keys: as in `cell_of`.
        compared: column of the paper's table -> measure of ours. One that the table does not have
            is yielded if ours has values.
        more: further cells, without values of the paper's.
    """
    given = papers(table)
    rows = [row for _, row in given.iterrows()]
    rows += [row for _, row in more.iterrows()] if more is not None else []
    for k, row in enumerate(rows):
        batches = cell_of(results, row, keys)
        texts = {key: key_text(row[key]) for key in keys}
        again, ours = methods.again(batches), methods.ours(batches)
        for column, measure in compared.items():
            papers_own = k < len(given) and column in given
            value = float(row[column]) if papers_own else NONE
            half = verdicts.paper_half(row, column)
            parts = measure.of(again), measure.of(ours)
            found = Cell(texts, column, measure, value, half, *parts)
            if not math.isnan(value) or (not papers_own and _any(found)):
                yield found


def comparisons(
    table: str, results: pd.DataFrame, keys: dict[str, str], compared: dict[str, Measure]
) -> pd.DataFrame:
    """Return a row for each value of the paper's table.

    Args:
        table, results, keys, compared: as in `cells`.

    Returns:
        Columns table, cell, measure; `paper`, `again` and `descent` (numbers; NaN if not run) and
        the same as text (`paper_text`, `again_text`, `ours_text`); the verdicts `reproduced` and
        `ours`; `batches_again` and `batches_ours`; `how`, the way in which Algorithm 1 ran;
        `bound`, the mean PSNR of ours had dL/dZ been known.
    """
    rows = [
        {
            "table": table,
            "cell": ", ".join(f"{key} = {text}" for key, text in each.keys.items()),
            "measure": each.column,
            "paper": each.paper,
            "again": each.value(each.again),
            "descent": each.value(each.ours),
            "paper_text": each.paper_text,
            "again_text": each.again_text,
            "ours_text": each.ours_text,
            "reproduced": each.reproduced,
            "ours": each.improved,
            "batches_again": len(each.again),
            "batches_ours": len(each.ours),
            "how": how(each.again),
            "bound": float(each.ours["psnr_bound"].mean()) if "psnr_bound" in each.ours else NONE,
        }
        for each in cells(table, results, keys, compared)
        if pd.notna(each.paper)
    ]
    return pd.DataFrame(rows)


def how(again: pd.DataFrame) -> str:
    """Return the way in which Algorithm 1 ran; "" for a rival or without batches."""
    return methods.SAMPLING.get(again["attack"].iloc[0], "") if len(again) else ""


def key_text(key: Any) -> str:
    """Return a cell's key as text."""
    if pd.isna(key):
        return "-"
    is_number = isinstance(key, float | int) and not isinstance(key, bool)
    return f"{key:g}" if is_number else str(key)


def _any(cell: Cell) -> bool:
    return pd.notna(cell.value(cell.again)) or pd.notna(cell.value(cell.ours))
