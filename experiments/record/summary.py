"""Means, medians and counts over the batches of a job."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

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


AT_A_LIMIT = (Status.TIMED_OUT, Status.SAMPLES_EXHAUSTED)
"""Ends of attacks that a larger limit might have let find more."""


class Ended(Protocol):
    """End of a batch, of a record or of a row of `batches.csv`."""

    @property
    def batch(self) -> int:
        """Number of the batch."""
        ...

    @property
    def status(self) -> str:
        """Value of `spear.Status`."""
        ...

    @property
    def failure(self) -> str:
        """Reason that there is no full reconstruction, or empty."""
        ...


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
    said = not_attacked(records)
    if said:
        raise BatchesFailed(
            f"{said}; all are recorded in {shown(path)}, and --force attacks them again."
        )


def not_attacked(records: Sequence[Ended]) -> str:
    """Return how many batches could not be attacked and why the first could not; "" if none."""
    failed = [record for record in records if record.status == Status.FAILED]
    if not failed:
        return ""
    first = failed[0]
    return (
        f"{len(failed)} of {len(records)} batches could not be attacked "
        f"(batch {first.batch}: {first.failure.rstrip('.')})"
    )


def not_recovered(records: Sequence[Ended]) -> str:
    """Return how many batches have no full reconstruction, or one cut short, and why; or ""."""
    without = [record for record in records if record.failure]
    if without:
        end = f"{len(records)} batches"
        none = len(without) == len(records)
        count = f"0 of {end}" if none else f"{len(without)} of {end} not"
        return f"{count} recovered: {without[0].failure}"
    limited = [record for record in records if record.status in AT_A_LIMIT]
    if limited:
        message = Status(limited[0].status).message
        return f"{len(limited)} of {len(records)} batches cut short: {message}"
    return ""


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
    number of batches without a full reconstruction to score, `n_empty` of those without a single
    input, whose PSNR is that of zeros. `details_median` has the medians of
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
        "n_empty": sum(not record.directions for record in records),
        "details_median": _median_details(records),
    }


def _median_details(records: list[BatchRecord]) -> dict[str, float]:
    """Return the median of each other number of the attack, over the batches that have it."""
    counted = [json.loads(record.details) for record in records]
    names = dict.fromkeys(name for each in counted for name in each)
    return {
        name: float(np.median([each[name] for each in counted if name in each])) for name in names
    }
