"""Analytic inversion of a bias-free fully connected network: label, feature, then the image.

Wang et al. (arXiv 2402.03124), single samples, L = 6, m = 200, untrained; on another network (12288
- 4096 - 1024 - 256 - 17, 17 Flowers) they show an image at 51.2 dB. Exact: samples whose label has
an L1 error below 1e-3; PSNR in dB, mean ± standard deviation over samples; seconds: median on one
thread.
"""

import pandas as pd

from spear.analysis.statistics.labels import DATASETS, LABELS, exact
from spear.analysis.statistics.measures import duration, with_deviation

EXPERIMENTS = ("label_recovery_analytic",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each data set and kind of label."""
    rows = []
    for dataset, augmentation in ((d, a) for d in DATASETS for a in LABELS):
        cell = results.query("dataset == @dataset and augmentation == @augmentation")
        if cell.empty:
            continue
        rows.append(
            {
                "data": DATASETS[dataset],
                "labels": LABELS[augmentation],
                "exact": exact(cell),
                "PSNR": with_deviation(cell["psnr"]),
                "lowest": f"{cell['psnr'].min():.1f}",
                "seconds": duration(cell["seconds"].median()),
            }
        )
    return pd.DataFrame(rows)
