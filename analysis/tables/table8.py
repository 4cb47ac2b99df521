"""Table 8: batches of a single class, Tiny ImageNet, b = 20, m = 200.

Mean over batches ± half of its 95 % confidence interval (Student's t), PSNR in dB, SSIM as its
distance from 1; accuracy: batches with all directions right. The class of each batch is drawn among
all of them, and two batches of one class are the same images here. So an interval counts the
different classes, 80 among 100 batches. In the paper these batches come out better than those of
Table 3, here the other way round.
"""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from spear.analysis.paper.columns import three_columns
from spear.analysis.paper.comparison import Measure, mean, share
from spear.analysis.records.examples import classes
from spear.analysis.statistics.measures import with_interval

EXPERIMENTS = ("table8",)
KEYS = {"dataset": "dataset"}


def _text(column: str, form: str, half_form: str) -> Callable[[pd.DataFrame], str]:
    """Make the function of a cell's batches that returns the mean, over classes in its interval."""

    def text(batches: pd.DataFrame) -> str:
        return with_interval(batches[column], form, half_form, classes(batches))

    return text


def _small(measure: Measure, column: str) -> Measure:
    return replace(measure, text=_text(column, ".1e", ".0e"))


COMPARED = {
    "psnr": replace(mean("psnr"), text=_text("psnr", ".1f", ".1f")),
    "ssim": replace(
        mean("ssim", "1 - SSIM"),
        text=lambda batches: _text("ssim", ".1e", ".0e")(batches.assign(ssim=1 - batches["ssim"])),
        paper=lambda paper, _: f"{1 - paper:.2e}",
    ),
    "mse": _small(mean("mse", "MSE", higher_is_better=False, form=".2e"), "mse"),
    "lpips": _small(mean("lpips", "LPIPS", higher_is_better=False, form=".2e"), "lpips"),
    "accuracy": share("exact"),
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure."""
    found = three_columns("table8", results, KEYS, COMPARED)
    return found.drop(columns="dataset")
