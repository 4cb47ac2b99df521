"""Different examples behind the committed records, as counted when they were drawn anew.

`python -m benchmarks.examples_behind_records` writes the table.
"""

from functools import cache
from pathlib import Path

import pandas as pd

EXAMPLES = Path(__file__).with_name("examples.csv")

COLUMNS = [
    "experiment", "dataset", "split", "examples", "batch_size", "batches", "distinct", "classes",
    "data_hash",
]  # fmt: skip
"""Columns of `EXAMPLES`, a row for each kind of job: `examples` of the data set as it was at hand,
of which `distinct` different ones of `classes` classes are in the job's batches. `data_hash` is the
job's, so that results on other data are told apart."""


KEY = ["experiment", "data_hash"]
"""Columns that tell the batches of a job."""


@cache
def counted() -> pd.DataFrame:
    """Return the table of `COLUMNS`."""
    return pd.read_csv(EXAMPLES, keep_default_na=False)


def behind(batches: pd.DataFrame) -> str:
    """Return how many different examples are behind a cell, in words; "" if that is not known.

    Args:
        batches: as a table or figure receives them.
    """
    found = _rows(batches)
    parts = [
        f"{name} {_span(of['distinct'])} of {_span(of['examples'])}"
        for name, of in found.groupby("dataset", sort=False)
    ]
    return f"Different examples behind a cell: {', '.join(parts)}" if parts else ""


def classes(batches: pd.DataFrame) -> int | None:
    """Return how many classes are in the batches of one recorded job; None if that is not known."""
    found = _rows(batches)
    return int(found["classes"].iloc[0]) if len(found) == 1 else None


def _rows(batches: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table for these batches; none if they do not say their data."""
    table = counted()
    if not set(KEY) <= set(batches.columns):
        return table.iloc[:0]
    return table.merge(batches[KEY].drop_duplicates(), on=KEY)


def _span(numbers: pd.Series) -> str:
    least, most = int(numbers.min()), int(numbers.max())
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
