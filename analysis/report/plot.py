"""Data of the page's chart of the user's own jobs, whose axes the reader chooses."""

import math
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from spear.analysis.records.results import NoResults, results
from spear.analysis.report.sources import Source
from spear.analysis.statistics.measures import half_width

MEASURES = (
    "psnr", "recovered", "exact", "ssim", "lpips", "mse", "mae", "seconds", "submatrices",
    "label_accuracy", "tabular_accuracy", "discrete_accuracy", "token_accuracy",
)  # fmt: skip
"""Columns of batches that can be drawn, those that come first in front."""

CHOICES = ("experiment", "dataset", "network", "attack", "defense", "fedavg", "batch_size")
"""Columns of jobs that can be axes or colours if they differ, before all other keys."""

FURTHER = 40
"""Most other keys of the configuration that are offered."""


def chart(sources: list[Source]) -> dict[str, Any] | None:
    """Return what the chart draws; None if there are no jobs but the committed ones.

    Args:
        sources: all sources of the page.

    Returns:
        `measures` and `columns`, names for the axes; `rows`, for each job its `name`, the mean of
        each measure over its batches (`values`), half of the 95 % interval of that mean (`halves`,
        Student's t), its number of batches `n`, and its value of each column (`keys`).
    """
    batches = _batches([source for source in sources if not source.committed])
    if batches.empty:
        return None
    measures = [each for each in MEASURES if each in batches and _is_number(batches[each])]
    jobs = batches.groupby("job", sort=False)
    columns = _columns(batches, measures)
    rows = []
    for name, job in jobs:
        first = job.iloc[0]
        values = {each: job[each].astype(float) for each in measures}
        rows.append(
            {
                "name": str(name),
                "n": len(job),
                "values": {each: _finite(own.mean()) for each, own in values.items()},
                "halves": {each: _finite(_half(own)) for each, own in values.items()},
                "keys": {each: _plain(first[each]) for each in columns},
            }
        )
    return {"measures": measures, "columns": columns, "rows": rows}


def _batches(sources: list[Source]) -> pd.DataFrame:
    """Return the batches that were attacked, of all sources."""
    found = []
    for source in sources:
        try:
            frame = results(source.root)
        except NoResults:
            continue
        found.append(frame[frame["batch"].notna()])
    there = [each for each in found if len(each)]
    return pd.concat(there, ignore_index=True) if there else pd.DataFrame()


def _columns(batches: pd.DataFrame, measures: list[str]) -> list[str]:
    """Return the columns of jobs that differ between jobs, the choices in front."""
    keys = [str(each) for each in batches if "." in str(each) or "/" in str(each)]
    keys = [each for each in keys if not each.startswith(("details.", "versions.", "hardware."))]
    firsts = batches.groupby("job", sort=False).head(1)
    differing = [
        each
        for each in [*CHOICES, *keys]
        if each in firsts and firsts[each].astype(str).nunique() > 1 and each not in measures
    ]
    return differing[:FURTHER] or ["batch_size"]


def _is_number(column: pd.Series) -> bool:
    return bool((is_numeric_dtype(column) or is_bool_dtype(column)) and column.notna().any())


def _half(values: pd.Series) -> float:
    return half_width(values) if len(values) > 1 else math.nan


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _plain(value: Any) -> float | str:
    """Return a value as JSON has it; what is missing, or a list, as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        number = getattr(value, "item", lambda: value)()
        value = number if isinstance(number, int | float) else value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else str(value)
