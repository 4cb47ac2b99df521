"""Table 8: batches of a single class, Tiny ImageNet, b = 20, m = 200.

Mean over batches ± half of its 95 % confidence interval (Student's t over batches), PSNR in dB,
SSIM as its distance from 1; accuracy: batches with all directions right. The class of each batch is
drawn among all of them: the 100 batches are of 80 different classes, and two batches of one class
are the same images, so that the intervals count 100 where 80 are different. In the paper these
batches come out better than those of Table 3, here the other way round.
"""

from dataclasses import replace

import pandas as pd

from spear.analysis.paper.columns import three_columns
from spear.analysis.paper.comparison import mean, share
from spear.analysis.statistics.measures import with_interval

EXPERIMENTS = ("table8",)
KEYS = {"dataset": "dataset"}


def _small(values: pd.Series) -> str:
    return with_interval(values, ".1e", ".0e")


COMPARED = {
    "psnr": mean("psnr"),
    "ssim": replace(
        mean("ssim", "1 - SSIM"),
        text=lambda batches: _small(1 - batches["ssim"]),
        paper=lambda paper, _: f"{1 - paper:.2e}",
    ),
    "mse": mean("mse", "MSE", higher_is_better=False, text=_small, form=".2e"),
    "lpips": mean("lpips", "LPIPS", higher_is_better=False, text=_small, form=".2e"),
    "accuracy": share("exact"),
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure."""
    found = three_columns("table8", results, KEYS, COMPARED)
    return found.drop(columns="dataset")
