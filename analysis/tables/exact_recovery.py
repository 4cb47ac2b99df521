"""The descent, and peeling, without any prior on the same batches; one thread per batch.

Peeling has the next layer's gradient, too. Exact: all directions right by the truth and lambda = 1;
seconds: median (10th to 90th percentile); x SVD: median of the seconds over those of one float64
SVD of the first layer's gradient.
"""

import pandas as pd

from spear.analysis.render.methods import name
from spear.analysis.statistics.measures import with_deviation, with_range

DESCENT = (
    "exact_recovery",
    "exact_recovery_b50",
    "exact_recovery_b90",
    "exact_recovery_b90_pixels",
    "exact_recovery_b100",
    "exact_recovery_b200",
)
EXPERIMENTS = (
    *DESCENT,
    *(f"{each}_peeling" for each in DESCENT),
    "exact_recovery_b120_peeling",
    "exact_recovery_b400_peeling",
)

DATA = {"cifar10": "CIFAR-10", "tiny_imagenet": "Tiny ImageNet"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each data set, kind of input, b, m and search."""
    rows = []
    by = ["network.width", "batch_size", "dataset", "dataset.normalize", "attack"]
    for _, batches in results.groupby(by):
        job = batches.iloc[0]
        proven = batches["exact"] & (batches["sparsity_matching"] == 1.0)
        ratio = batches["details.svd_ratio"].median()
        rows.append(
            {
                "b": str(job["batch_size"]),
                "m": str(job["network.width"]),
                "data": DATA[job["dataset"]],
                "inputs": "normalised" if job["dataset.normalize"] else "pixels in [0, 1]",
                "search": name(job["attack"]),
                "exact": f"{proven.sum()}/{len(batches)}",
                "PSNR [dB]": with_deviation(batches["psnr"]),
                "seconds": with_range(batches["seconds"]),
                "x SVD": f"{ratio:.2g}" if pd.notna(ratio) else "",
            }
        )
    return pd.DataFrame(rows)
