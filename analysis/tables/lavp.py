"""LAVP and the gradient's norm as forecasts of how well gradient matching recovers an image.

Spearman's rho between what the client computes beforehand and the PSNR or LPIPS that the attack
then reaches, over batches of one, in brackets 95 % bootstrap intervals (2,000 resamples of
batches). LAVP (arXiv 2312.12488): the largest or smallest eigenvalue of the Hessian of a matching
loss at the truth. In theory an image is at greater risk the smaller LAVP is: rho should be below 0
with PSNR and above 0 with LPIPS. Fused: the geometric mean of L2 and cosine. Gain: |rho| of the
largest eigenvalue of the attack's own loss less |rho| of the norm, on the same resamples; |rho| of
resamples is biased upwards if rho is near 0, so that this interval may be off-centre.

The attack is gradient matching without any prior on images, given the label, for 200 iterations
(the paper of LAVP is not available to us in full, and its settings are our choice). MSE has the
ranks of PSNR reversed; MNIST's images are too small for LPIPS. A dash: the eigenvalue was not
found, or is the same for all (see `lavp_spectrum`). `attack=spear_irls` reconstructs every one of
these images exactly from a fully connected network, so that there is nothing to rank.
"""

import pandas as pd

from spear.analysis.statistics.measures import with_deviation
from spear.analysis.statistics.rank_correlation import (
    DATASETS,
    LOSS_NAMES,
    NETWORKS,
    NORM,
    Cell,
    cells,
    correlation,
    gain,
)

EXPERIMENTS = ("lavp",)

PROXIES = {
    "norm": NORM,
    "L2 max": "details.lavp_l2_max",
    "cosine max": "details.lavp_cosine_max",
    "fused max": "details.lavp_fused_max",
    "L2 min": "details.lavp_l2_min",
    "cosine min": "details.lavp_cosine_min",
    "fused min": "details.lavp_fused_min",
}

QUALITIES = {"psnr": "PSNR", "lpips": "LPIPS"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each data set, network, loss of the attack, and measure of quality."""
    return pd.DataFrame(
        [
            _row(cell, quality)
            for cell in cells(results)
            for quality in QUALITIES
            if cell.batches[quality].notna().all()
        ]
    )


def _row(cell: Cell, quality: str) -> dict[str, str]:
    batches, reached = cell.batches, cell.batches[quality]
    form = ".1f" if quality == "psnr" else ".2g"
    rhos = {name: correlation(batches[proxy], reached) for name, proxy in PROXIES.items()}
    rhos["gain"] = gain(batches[cell.lavp], batches[NORM], reached)
    return {
        "network": NETWORKS[cell.network],
        "data": DATASETS[cell.dataset],
        "attack's loss": LOSS_NAMES[cell.loss],
        "batches": str(len(batches)),
        "quality": QUALITIES[quality],
        "reached": with_deviation(reached, form),
        **{name: "-" if rho is None else str(rho) for name, rho in rhos.items()},
    }
