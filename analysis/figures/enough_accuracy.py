"""Images recovered beside the test accuracy that is left, over the noise of DP-SGD, CIFAR-10.

m = 200, L = 6, C = 1. Recovered: a PSNR of 20 dB or more; mean over batches with its 95 % interval
(Student's t). Accuracy: of the same network trained by DP-SGD with batches of 20, for three epochs
on 8,000 images, tested on 2,000 others, with the 95 % interval of that share
(`python -m benchmarks.defended_accuracy`); dashed: clipped, without noise. Epsilon is that of one
update at delta = 1e-5.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.figures.enough import SIZES, name_epsilons
from spear.analysis.records.defended import accuracies
from spear.analysis.render import style
from spear.analysis.statistics.measures import mean_interval

EXPERIMENTS = ("enough_noise",)

NOISE = "defense.noise_multiplier"

TESTED = 2_000
"""Test images of `benchmarks.defended_accuracy`."""


def draw(results: pd.DataFrame) -> Figure:
    """Draw shares of recovered images, a line for each batch size, and the accuracy."""
    figure = style.new_figure(3.6)
    axes = figure.subplots()
    for b, (marker, colour) in SIZES.items():
        table = mean_interval(results[results["batch_size"] == b], NOISE, "recovered")
        n = int(table["n"].max())
        name = f"images recovered, b = {b}"
        style.banded(axes, table[NOISE], table, colour, marker, name)
    trained = accuracies().groupby("noise_multiplier")["accuracy"].mean()
    _accuracy(axes, trained)
    axes.set_xscale("log")
    axes.set_xlabel(f"noise multiplier ({n} batches per point)")
    axes.set_ylabel("share of images")
    style.per_cent(axes)
    name_epsilons(axes, sorted(trained.index[trained.index > 0]))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return figure


def _accuracy(axes: Axes, trained: pd.Series) -> None:
    noisy = trained[trained.index > 0]
    half = 1.96 * np.sqrt(noisy * (1 - noisy) / TESTED)
    axes.errorbar(
        noisy.index, noisy, half, color="black", marker="D", capsize=2, label="test accuracy"
    )
    axes.axhline(trained.loc[0], color="black", linestyle="--", label="accuracy without noise")
