"""PSNR and accuracy of a table of the paper as curves over one of its keys, with its own points."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binomtest

from spear.analysis.paper.comparison import Cell
from spear.analysis.render import style
from spear.analysis.render.methods import ALGORITHM_1, OURS
from spear.analysis.statistics.measures import half_width

THE_PAPER: dict[str, Any] = {"color": "black", "marker": "*", "markersize": 10, "linestyle": "none"}
LOOK: dict[str, Any] = {"color": style.BLUE, "marker": "o"}
AGAIN: dict[str, Any] = {
    "color": style.COLOURS["spear"],
    "marker": "s",
    "mfc": "white",
    "linestyle": "none",
}


def draw_curves(found: Sequence[Cell], key: str, label: str) -> Figure:
    """Draw PSNR (left) and accuracy (right) with 95 % intervals, over a logarithmic key.

    Args:
        found: values of the cells, in the order of the curve; columns `psnr` and `accuracy`.
        key: key of the cells along the axis.
        label: what it is called there.
    """
    figure = style.new_figure(3.5)
    left, right = figure.subplots(1, 2)
    psnr = [each for each in found if each.column == "psnr"]
    accuracy = [each for each in found if each.column == "accuracy"]
    _psnr(left, psnr, key)
    _accuracy(right, accuracy, key)
    for axes in (left, right):
        axes.set_xlabel(label)
        style.plain_ticks(axes, sorted({float(each.keys[key]) for each in found}))
    sizes = pd.Series([len(each.ours) for each in psnr if len(each.ours)])
    again = pd.Series([len(each.again) for each in psnr if len(each.again)])
    said = [f"{OURS}: {style.counted(sizes)} batches per point"] if len(sizes) else []
    said += [f"{ALGORITHM_1}: {style.counted(again)}"] if len(again) else []
    style.note(right, "\n".join(said), y=0.12)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _psnr(axes: Axes, found: Sequence[Cell], key: str) -> None:
    """Draw means with 95 % intervals, the bound of ours and the paper's points."""
    ours = [each for each in found if len(each.ours)]
    x = [float(each.keys[key]) for each in ours]
    bound = [each.ours["psnr_bound"].mean() for each in ours]
    axes.plot(x, bound, "--", color=style.GREY, label="bound (dL/dZ known)", zorder=1)
    for label, look, pairs in (
        (OURS, LOOK, [(e, e.ours) for e in ours]),
        (ALGORITHM_1, AGAIN, [(e, e.again) for e in found if len(e.again)]),
    ):
        if pairs:
            at = [float(each.keys[key]) for each, _ in pairs]
            half = [np.nan_to_num(half_width(batches["psnr"])) for _, batches in pairs]
            means = [batches["psnr"].mean() for _, batches in pairs]
            axes.errorbar(at, means, half, capsize=2, elinewidth=0.8, label=label, **look)
    _papers(axes, found, key)
    axes.set_ylabel("PSNR [dB], mean and 95 %")


def _accuracy(axes: Axes, found: Sequence[Cell], key: str) -> None:
    """Draw shares of batches with 95 % Clopper-Pearson intervals and the paper's points."""
    ours = [each for each in found if len(each.ours)]
    shares, low, high = [], [], []
    for each in ours:
        share = each.value(each.ours) / 100
        n = len(each.ours)
        interval = binomtest(round(share * n), n).proportion_ci(0.95)
        shares.append(share)
        low.append(share - interval.low)
        high.append(interval.high - share)
    x = [float(each.keys[key]) for each in ours]
    axes.errorbar(
        x, shares, [low, high], capsize=2, elinewidth=0.8, color=style.BLUE, marker="o"
    )  # fmt: skip
    _papers(axes, found, key, 100)
    style.per_cent(axes)
    axes.set_ylabel("batches exact, with 95 %")


def _papers(axes: Axes, found: Sequence[Cell], key: str, unit: float = 1.0) -> None:
    given = [each for each in found if pd.notna(each.paper)]
    x = [float(each.keys[key]) for each in given]
    axes.plot(x, [each.paper / unit for each in given], label="the paper", **THE_PAPER)
