"""Batches of jobs as a data frame, with a column for each entry of their details."""

import json
from io import StringIO
from pathlib import Path

import pandas as pd
from pandas.api.types import is_integer_dtype

from spear.analysis.records.run_folder import ABSENT, BATCH, DETAILS, JOB, flat, mapping, readable
from spear.experiments.record.run_files import BATCHES


def read_batch_frame(folder: Path) -> pd.DataFrame:
    """Return the batches recorded so far as `batch_frame` does."""
    with readable(folder / BATCHES):
        return batch_frame((folder / BATCHES).read_text(encoding="utf-8"))


def batch_frame(text: str) -> pd.DataFrame:
    """Return batches from CSV, a row each, with a column for each entry of `details`.

    Raises:
        ValueError: a row has another number of columns, or a number that is none.
    """
    batches = pd.read_csv(
        StringIO(text),
        dtype={JOB: str},
        keep_default_na=False,
        na_values=[ABSENT],
        low_memory=False,  # one type a column
    )
    if not isinstance(batches.index, pd.RangeIndex):
        raise ValueError("its rows have more columns than the first")
    if len(batches) and not is_integer_dtype(batches[BATCH]):
        raise ValueError("the number of a batch is none")
    details = [flat(mapping(json.loads(each))) for each in batches.pop(DETAILS)]
    return pd.concat([batches, pd.DataFrame(details).add_prefix(f"{DETAILS}.")], axis=1)
