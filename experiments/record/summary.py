"""Means, medians and counts over the batches of a job."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spear.errors import SpearError
from spear.experiments.record.files import shown
from spear.experiments.record.records import BatchRecord
from spear.reconstruction import Status
from spear.scoring.metric import Aggregate, Metric, mean, median, total
from spear.scoring.scorer import STANDARD

_COMMON: dict[str, tuple[str, Aggregate]] = {
    "lambda_mean": ("sparsity_matching", mean),
    "submatrices_median": ("submatrices", median),
    "seconds_median": ("seconds", median),
    "seconds_total": ("seconds", total),
    "gradient_median": ("gradient_median", median),
}
"""Aggregates of the columns that no metric has."""


class BatchesFailed(SpearError):
    """The job ran to its end, but some batches could not be attacked."""


def check_failures(records: list[BatchRecord], path: Path) -> None:
    """Raise an error at the end of a job if any of its batches could not be attacked.

    A batch that was attacked in vain is no error (`not_recovered`): a defense may have worked.

    Args:
        records: records of all batches.
        path: file of the records.

    Raises:
        BatchesFailed: the attack of a batch ended in an error.
    """
    failed = [record for record in records if record.status == Status.FAILED]
    if failed:
        raise BatchesFailed(
            f"{len(failed)} of {len(records)} batches could not be attacked "
            f"(batch {failed[0].batch}: {failed[0].failure}); all are recorded in {shown(path)}, "
            "and --force attacks them again."
        )


def not_recovered(records: list[BatchRecord]) -> str:
    """Return how many batches have a full reconstruction and why one has none; "" if all have."""
    without = [record for record in records if record.failure]
    if not without:
        return ""
    there = len(records) - len(without)
    return f"{there} of {len(records)} batches recovered: {without[0].failure}"


def aggregates(own: Sequence[Metric] = ()) -> dict[str, tuple[str, Aggregate]]:
    """Return how a summary aggregates `batches.csv`: key -> (column, aggregate).

    Args:
        own: the user's own metrics.
    """
    of_scores = [metric.summary() for metric in (*STANDARD, *own)]
    return {key: value for each in (*of_scores, _COMMON) for key, value in each.items()}


def summarize(records: list[BatchRecord], own: Sequence[Metric] = ()) -> dict[str, Any]:
    """Return means, medians and counts over all batches, failures included.

    Each metric chooses its aggregates (`spear.scoring.metric.Metric.summary`). `failures` is the
    number of batches without a full reconstruction to score. `details_median` has the medians of
    the attack's other numbers.

    Args:
        records: records of at least one batch.
        own: the user's own metrics.
    """
    rows = [record.cells() for record in records]

    def values(name: str) -> NDArray[np.float64]:
        return np.array([row[name] for row in rows], dtype=float)

    return {
        "n_batches": len(records),
        **{key: aggregate(values(name)) for key, (name, aggregate) in aggregates(own).items()},
        "failures": sum(bool(record.failure) for record in records),
        "details_median": _median_details(records),
    }


def _median_details(records: list[BatchRecord]) -> dict[str, float]:
    """Return the median of each other number of the attack, over the batches that have it."""
    counted = [json.loads(record.details) for record in records]
    names = dict.fromkeys(name for each in counted for name in each)
    return {
        name: float(np.median([each[name] for each in counted if name in each])) for name in names
    }
