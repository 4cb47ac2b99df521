"""Means, medians and counts over the batches of a job."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from spear.errors import SpearError
from spear.experiments.job.files import shown
from spear.experiments.job.records import BatchRecord


class BatchesFailed(SpearError):
    """Some batches of a job that ran to its end have no reconstruction to score."""


def check_failures(records: list[BatchRecord], path: Path) -> None:
    """To be called at the end of a job.

    Args:
        records: all of its batches.
        path: where they are recorded.

    Raises:
        BatchesFailed: some batch has no full reconstruction.
    """
    failed = [record for record in records if record.failure]
    if failed:
        raise BatchesFailed(
            f"{len(failed)} of {len(records)} batches have no full reconstruction "
            f"(batch {failed[0].batch}: {failed[0].failure}); all are recorded in {shown(path)}."
        )


def summarize(records: list[BatchRecord]) -> dict[str, Any]:
    """Means, medians and counts over all batches, failures included.

    `accuracy` is the share of batches in which every direction is right, `accuracy_recovered` of
    those in which every picture has a PSNR of at least `spear.scoring.scores.RECOVERED_PSNR`;
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
