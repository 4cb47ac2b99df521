"""What a job leaves behind: a row a batch, written at once, and a summary at the end."""

import csv
import hashlib
import io
import json
import math
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from spear.errors import ConfigError
from spear.metrics import Score
from spear.reconstruction import Reconstruction, Status
from spear.truth import Truth

SUMMARY = "summary.json"
PICTURE = "reconstructions.png"
SHEET = "sheet.png"
ERROR = "error.txt"
ROWS = "reconstructions.csv"
OUTCOMES = (SUMMARY, PICTURE, SHEET, ROWS, ERROR)
"""Files that say how a job ended; a new run of the job begins without them."""


@dataclass(frozen=True)
class BatchRecord:
    """One batch's row of `batches.csv`.

    Attributes:
        batch: number of the batch in its job, from 0.
        status: how the attack ended, as far as the attacker can tell (`spear.Status`).
        exact: whether every direction is right, by the truth.
        recovered, psnr, psnr_min, psnr_bound, at_bound, ssim, lpips, mse, mae, feature_similarity:
            see `spear.metrics.Score`.
        discrete_accuracy, continuous_mae, tabular_accuracy: of tables, see `spear.metrics.Score`.
        label_accuracy, labels_exact, label_l1, label_l2: of recovered labels, see
            `spear.metrics.Score`.
        sparsity_matching: lambda (Definition 4.1).
        directions_right, directions_near: see `spear.metrics.Score`.
        directions: inputs that the attack reconstructed.
        findable: true directions that an exhaustive search meets (`spear.truth.Truth.findable`).
        submatrices: sampled (n_total).
        seconds: of the attack alone.
        gradient_median: see `spear.truth.Truth.weight_gradient_median`.
        sparsity_min: see `spear.truth.Truth.least_sparsity`.
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
    """The row of a batch; `foreseen` as of `spear.vulnerability.forecast.Forecast`."""
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


def summarize(records: list[BatchRecord]) -> dict[str, Any]:
    """Means, medians and counts over all batches, failures included.

    `accuracy` is the share of batches in which every direction is right, `accuracy_recovered` of
    those in which every picture has a PSNR of at least `spear.metrics.RECOVERED_PSNR`;
    `recovered_mean` is the share of such pictures, `at_bound_mean` of those at their bound;
    `psnr_std` the standard deviation over batches; `failures` counts batches without a full
    reconstruction to score.
    """

    def values(name: str) -> np.ndarray:
        return np.array([getattr(record, name) for record in records], dtype=float)

    n = len(records)
    exact = int(values("exact").sum())
    psnr, recovered = values("psnr"), values("recovered")
    return {
        "n_batches": n,
        "n_exact": exact,
        "accuracy": exact / n,
        "accuracy_recovered": float(np.where(np.isnan(recovered), np.nan, recovered == 1).mean()),
        "recovered_mean": float(recovered.mean()),
        "psnr_mean": float(psnr.mean()),
        "psnr_std": float(psnr.std(ddof=1)) if n > 1 else 0.0,
        "psnr_bound_mean": float(values("psnr_bound").mean()),
        "at_bound_mean": float(values("at_bound").mean()),
        "lpips_mean": float(values("lpips").mean()),
        "mae_mean": float(values("mae").mean()),
        "mse_mean": float(values("mse").mean()),
        "discrete_accuracy_mean": float(values("discrete_accuracy").mean()),
        "continuous_mae_mean": float(values("continuous_mae").mean()),
        "tabular_accuracy_mean": float(values("tabular_accuracy").mean()),
        "label_accuracy_mean": float(values("label_accuracy").mean()),
        "labels_exact_mean": float(values("labels_exact").mean()),
        "label_l1_mean": float(values("label_l1").mean()),
        "label_l2_mean": float(values("label_l2").mean()),
        "ssim_mean": float(values("ssim").mean()),
        "feature_similarity_mean": float(values("feature_similarity").mean()),
        "lambda_mean": float(values("sparsity_matching").mean()),
        "submatrices_median": float(np.median(values("submatrices"))),
        "seconds_median": float(np.median(values("seconds"))),
        "seconds_total": float(values("seconds").sum()),
        "gradient_median": float(np.median(values("gradient_median"))),
        "failures": sum(bool(record.failure) for record in records),
        "details_median": _median_details(records),
    }


def _median_details(records: list[BatchRecord]) -> dict[str, float]:
    """Medians of what the attack counted, by name, over the batches in which it did."""
    counted = [json.loads(record.details) for record in records]
    names = dict.fromkeys(name for each in counted for name in each)
    return {
        name: float(np.median([each[name] for each in counted if name in each])) for name in names
    }


class RunFolder:
    """The folder of one job. Every file in it is complete: written beside, then moved into place.

    Args:
        path: created if needed. Results of an earlier run of the same job are replaced.

    Raises:
        ConfigError: the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[BatchRecord] = []
        self._data_hash = hashlib.sha256()
        try:
            path.mkdir(parents=True, exist_ok=True)
            for name in OUTCOMES:
                (path / name).unlink(missing_ok=True)
            self._write_batches()
        except OSError as error:
            raise ConfigError(
                f"the output folder {path} cannot be written ({error.strerror}); "
                "set output_root to a folder that can."
            ) from error

    def add(self, record: BatchRecord) -> None:
        """Append a batch's row to `batches.csv`, at once."""
        self.records.append(record)
        self._write_batches()

    def hash_data(self, *tensors: Tensor) -> None:
        """Let the job's private data enter `data_hash`."""
        for tensor in tensors:
            self._data_hash.update(tensor.detach().cpu().contiguous().numpy().tobytes())

    @property
    def data_hash(self) -> str:
        """SHA-256 of every batch so far, as the network received it."""
        return self._data_hash.hexdigest()

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """A JSON file; NaN and infinities, which JSON lacks, become null."""
        self.write_text(name, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """A text file, all of it or none."""
        beside = self.path / f".{name}.part"
        beside.write_text(text)
        os.replace(beside, self.path / name)

    def _write_batches(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, [field.name for field in fields(BatchRecord)])
        writer.writeheader()
        writer.writerows(asdict(record) for record in self.records)
        self.write_text("batches.csv", text.getvalue())


def shown(path: Path) -> Path:
    """A path as a user would type it: relative where it lies below the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
