"""What a job records of a batch: a row of `batches.csv`."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from spear.reconstruction import Reconstruction, Status
from spear.scoring.scores import Score
from spear.scoring.truth import Truth


@dataclass(frozen=True)
class BatchRecord:
    """One batch's row of `batches.csv`.

    Attributes:
        batch: number of the batch in its job, from 0.
        status: how the attack ended, as far as the attacker can tell (`spear.Status`).
        exact: whether every direction is right, by the truth.
        recovered, psnr, psnr_min, psnr_bound, at_bound, ssim, lpips, mse, mae, feature_similarity:
            see `spear.scoring.scores.Score`.
        discrete_accuracy, continuous_mae, tabular_accuracy: of tables, see
        `spear.scoring.scores.Score`.
        label_accuracy, labels_exact, label_l1, label_l2: of recovered labels, see
            `spear.scoring.scores.Score`.
        sparsity_matching: lambda (Definition 4.1).
        directions_right, directions_near: see `spear.scoring.scores.Score`.
        directions: inputs that the attack reconstructed.
        findable: true directions that an exhaustive search meets
        (`spear.scoring.truth.Truth.findable`).
        submatrices: sampled (n_total).
        seconds: of the attack alone.
        gradient_median: see `spear.scoring.truth.Truth.weight_gradient_median`.
        sparsity_min: see `spear.scoring.truth.Truth.least_sparsity`.
        failure: why there is no full reconstruction to score, or empty.
        details: what else the attack counted, and what the client had foreseen, as JSON.
    """

    batch: int
    status: str
    exact: bool
    recovered: float
    psnr: float
    psnr_min: float
    psnr_bound: float
    at_bound: float
    ssim: float
    lpips: float
    mse: float
    mae: float
    discrete_accuracy: float
    continuous_mae: float
    tabular_accuracy: float
    label_accuracy: float
    labels_exact: float
    label_l1: float
    label_l2: float
    sparsity_matching: float
    directions_right: int
    directions_near: int
    directions: int
    findable: int
    submatrices: int
    seconds: float
    gradient_median: float
    sparsity_min: float
    feature_similarity: float
    failure: str = ""
    details: str = "{}"


def batch_record(
    batch: int,
    truth: Truth,
    reconstruction: Reconstruction,
    score: Score,
    failure: str = "",
    foreseen: dict[str, float] | None = None,
) -> BatchRecord:
    """The row of a batch; `foreseen` as of `spear.client.risk.base.Forecast`."""
    return BatchRecord(
        batch=batch,
        status=str(reconstruction.status),
        exact=score.exact,
        recovered=score.recovered,
        psnr=score.psnr,
        psnr_min=score.psnr_min,
        psnr_bound=score.psnr_bound,
        at_bound=score.at_bound,
        ssim=score.ssim,
        lpips=score.lpips,
        mse=score.mse,
        mae=score.mae,
        discrete_accuracy=score.discrete_accuracy,
        continuous_mae=score.continuous_mae,
        tabular_accuracy=score.tabular_accuracy,
        label_accuracy=score.label_accuracy,
        labels_exact=score.labels_exact,
        label_l1=score.label_l1,
        label_l2=score.label_l2,
        sparsity_matching=reconstruction.sparsity_matching,
        directions_right=score.directions_right,
        directions_near=score.directions_near,
        directions=reconstruction.batch_size,
        findable=truth.findable(),
        submatrices=reconstruction.submatrices,
        seconds=reconstruction.seconds,
        gradient_median=truth.weight_gradient_median(),
        sparsity_min=truth.least_sparsity(),
        feature_similarity=score.feature_similarity,
        failure=failure or shortfall(len(truth.inputs), reconstruction),
        details=json.dumps(reconstruction.details | (foreseen or {})),
    )


def shortfall(size: int, reconstruction: Reconstruction) -> str:
    """Why fewer inputs came back than the batch has, or an empty string."""
    found = reconstruction.batch_size
    if found == size:
        return ""
    if reconstruction.status in (Status.ZERO_GRADIENT, Status.FULL_RANK):
        return reconstruction.status.message
    return (
        f"the gradient has rank {found} but the batch has {size} inputs: some of them are equal, "
        "or too small a part of the gradient to be seen"
    )


def to_csv(records: Iterable[BatchRecord]) -> str:
    """The rows under their header; a float has all the digits that tell it from any other."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS)
    writer.writeheader()
    writer.writerows(map(vars, records))
    return text.getvalue()


def from_csv(text: str) -> list[BatchRecord]:
    """The rows of `to_csv` again, up to the first that is not a whole row.

    A header of other columns has no rows under it.
    """
    reader = csv.reader(io.StringIO(text, newline=""))
    if next(reader, None) != list(_COLUMNS):
        return []
    records = []
    try:
        for row in reader:
            cells = zip(_COLUMNS.items(), row, strict=True)
            values = {name: _PARSE[kind](cell) for (name, kind), cell in cells}
            records.append(BatchRecord(**values))
    except (ValueError, KeyError, csv.Error):
        pass
    return records


_COLUMNS = {field.name: field.type for field in fields(BatchRecord)}
_PARSE: dict[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    str: str,
    bool: {"True": True, "False": False}.__getitem__,
}
