"""Record of a batch: a row of `batches.csv`."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from spear.reconstruction import Reconstruction, Status
from spear.scoring.metric import Metric, Value, kinds_of
from spear.scoring.scorer import STANDARD
from spear.scoring.truth import Truth


@dataclass(frozen=True)
class BatchRecord:
    """Row of a batch in `batches.csv`.

    Attributes:
        batch: number of the batch in its job, from 0.
        status: how the attack ended, as far as the attacker can tell (`spear.Status`).
        scores: numbers of every metric by name (`spear.scoring`); the user's own come last.
        sparsity_matching: lambda (Definition 4.1).
        directions: number of inputs that the attack reconstructed.
        findable: number of true directions that an exhaustive search meets
            (`spear.scoring.truth.Truth.findable`).
        submatrices: number of sampled submatrices (n_total).
        seconds: seconds of the attack alone.
        gradient_median: see `spear.scoring.truth.Truth.weight_gradient_median`.
        sparsity_min: see `spear.scoring.truth.Truth.least_sparsity`.
        failure: reason that there is no full reconstruction to score, or empty.
        details: other numbers of the attack and of the client (its risk forecast, the share of
            examples that DP-SGD clipped), as JSON.
    """

    batch: int
    status: str
    scores: Mapping[str, Value]
    sparsity_matching: float
    directions: int
    findable: int
    submatrices: int
    seconds: float
    gradient_median: float
    sparsity_min: float
    failure: str = ""
    details: str = "{}"

    @classmethod
    def of(
        cls,
        batch: int,
        truth: Truth,
        reconstruction: Reconstruction,
        scores: Mapping[str, Value],
        failure: str = "",
        foreseen: Mapping[str, float] | None = None,
    ) -> Self:
        """Return the row of a batch; `foreseen` is a result of `spear.client.risk.RiskForecast`."""
        return cls(
            batch=batch,
            status=str(reconstruction.status),
            scores=dict(scores),
            sparsity_matching=reconstruction.sparsity_matching,
            directions=reconstruction.batch_size,
            findable=truth.findable(),
            submatrices=reconstruction.submatrices,
            seconds=reconstruction.seconds,
            gradient_median=truth.weight_gradient_median(),
            sparsity_min=truth.least_sparsity(),
            failure=failure or _shortfall(truth, reconstruction),
            details=json.dumps(reconstruction.details | dict(foreseen or {})),
        )

    def cells(self) -> dict[str, Any]:
        """Return every value of the row by its column, in the order of the columns."""
        values = {name: getattr(self, name) for name in _COMMON} | dict(self.scores)
        return {name: values.pop(name) for name in ORDER} | values


ORDER = (
    "batch", "status",
    "exact", "recovered", "psnr", "psnr_min", "psnr_bound", "at_bound", "ssim", "lpips",
    "mse", "mae", "discrete_accuracy", "continuous_mae", "tabular_accuracy",
    "label_accuracy", "labels_exact", "label_l1", "label_l2",
    "sparsity_matching", "directions_right", "directions_near", "directions", "findable",
    "submatrices", "seconds", "gradient_median", "sparsity_min", "feature_similarity",
    "failure", "details",
)  # fmt: skip
"""Columns of `batches.csv`, in an order that other programs rely on. The user's own metrics come
after them."""

_COMMON = {field.name: field.type for field in fields(BatchRecord) if field.name != "scores"}


def columns_of(own: Sequence[Metric] = ()) -> dict[str, Any]:
    """Return the columns of `batches.csv` in order, with the type of each.

    Args:
        own: the user's own metrics.
    """
    kinds = _COMMON | kinds_of([*STANDARD, *own])
    return {name: kinds.pop(name) for name in ORDER} | kinds


def shortfall(size: int, reconstruction: Reconstruction) -> str:
    """Return the reason that the gradient's rank is not the batch size, or an empty string."""
    found = reconstruction.batch_size
    if found == size:
        return ""
    if reconstruction.status in (Status.ZERO_GRADIENT, Status.FULL_RANK):
        return reconstruction.status.message
    ranks = f"the gradient has rank {found} but the batch has {size} inputs"
    if found > size:
        return f"{ranks}: the update was changed, as by a defense, and is not its gradient any more"
    return f"{ranks}: some of them are equal, or too small a part of the gradient to be seen"


def _shortfall(truth: Truth, reconstruction: Reconstruction) -> str:
    """The same for a batch. Without directions there is no rank, and what was found is counted."""
    size, found = len(truth.inputs), reconstruction.batch_size
    alone = found > 0 and len(reconstruction.activation_gradients) == 0
    if found == size or not alone:
        return shortfall(size, reconstruction)
    what = "inputs" if truth.positions is None else "sequences"
    return f"{found} {what} were found, but the batch has {size}: {reconstruction.message}"


def to_csv(records: Iterable[BatchRecord], columns: Iterable[str]) -> str:
    """Return the rows as CSV with a header; floats keep all their digits.

    Args:
        records: records that have these columns (`BatchRecord.cells`).
        columns: names of the columns, in order.
    """
    names = list(columns)
    text = io.StringIO()
    csv.DictWriter(text, names).writeheader()
    return text.getvalue() + rows_of(records, names)


def rows_of(records: Iterable[BatchRecord], columns: Iterable[str]) -> str:
    """Return the rows of `to_csv` without its header."""
    text = io.StringIO()
    csv.DictWriter(text, list(columns)).writerows(record.cells() for record in records)
    return text.getvalue()


def from_csv(text: str, columns: Mapping[str, Any]) -> list[BatchRecord]:
    """Return the records in a text of `to_csv`, up to the first incomplete row.

    If the header has other columns, there are none.

    Args:
        text: content of the file.
        columns: expected columns, with the type of each (`columns_of`).
    """
    reader = csv.reader(io.StringIO(text, newline=""))
    if next(reader, None) != list(columns):
        return []
    records = []
    try:
        for row in reader:
            cells = zip(columns.items(), row, strict=True)
            values = {name: _PARSE[kind](cell) for (name, kind), cell in cells}
            common = {name: values.pop(name) for name in _COMMON}
            records.append(BatchRecord(**common, scores=values))
    except (ValueError, KeyError, csv.Error):
        pass
    return records


_PARSE: dict[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    str: str,
    bool: {"True": True, "False": False}.__getitem__,
}
