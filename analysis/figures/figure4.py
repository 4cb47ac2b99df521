"""Figure 4: submatrices until a batch is exact, against b, for a wide and a narrow layer.

Algorithm 1 with information sets. It counts whole chunks of submatrices, each a quarter larger than
the last, so that a count is up to a fifth above what was needed; the paper always looks at
10,000 at once, the plateau on the left of its figure. An information set yields b submatrices,
whose hits come in clusters: 2 b / (b + 1) times those of Lemma 5.2 (docs/theory/sampling.md).
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.render.laws import draw_laws
from spear.analysis.statistics.measures import exact, spread

EXPERIMENTS = ("figure4", "figure4_b18_to_b24")

PAPER_LAW = {16: 1.8e5}
"""b -> n_total by Lemma 5.2, as the paper states it (Sec. 5.2)."""

PAPER_RATIO = 20
"""Submatrices needed at m = 200 over those at m = 2000, approximately (Sec. 6.2)."""

LOOKS = [(style.COLOURS["spear"], "s"), (style.COLOURS["spear_irls"], "o")]


def draw(results: pd.DataFrame) -> Figure:
    """Draw both laws and each width's median and 10-90 % band; hollow if some are not exact."""
    figure = style.new_figure(4.4)
    axes = figure.subplots()
    for (m, batches), look in zip(results.groupby("network.width"), LOOKS, strict=False):
        _curve(axes, batches, f"m = {m}, median and 10-90 %", *look)
    b = np.arange(results["batch_size"].min(), results["batch_size"].max() + 1)
    draw_laws(axes, b)
    axes.plot(
        list(PAPER_LAW), list(PAPER_LAW.values()), "k*", markersize=11,
        label="Lemma 5.2 as the paper states it",
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xticks(sorted(results["batch_size"].unique()))
    axes.set_xlabel(f"batch size b ({_numbers(results)})")
    axes.set_ylabel("submatrices sampled per batch (whole chunks)")
    if results["network.width"].nunique() == 2:
        axes.set_title(_compared(results))
    axes.legend(loc="upper left")
    return figure


def ratios(results: pd.DataFrame) -> pd.Series:
    """Return the median submatrices of the narrowest layer over the widest's, by batch size."""
    medians = results.groupby(["batch_size", "network.width"])["submatrices"].median().unstack()
    return (medians.iloc[:, 0] / medians.iloc[:, -1]).dropna()


def _curve(axes: Axes, batches: pd.DataFrame, label: str, colour: str, marker: str) -> None:
    table = spread(batches, "batch_size", "submatrices")
    style.banded(axes, table["batch_size"], table, colour, marker, label)
    partly = table[exact(batches, "batch_size")["share"] < 1]
    axes.plot(partly["batch_size"], partly["median"], marker, color=colour, mfc="white")


def _compared(results: pd.DataFrame) -> str:
    """Return the ratios of `ratios` in words."""
    ratio = ratios(results)
    parts = ", ".join(f"{each:.1f} at b = {b}" for b, each in ratio.tail(3).items())
    narrow, wide = sorted(results["network.width"].unique())
    return f"m = {narrow} over m = {wide}: {parts} (paper: about {PAPER_RATIO})"


def _numbers(results: pd.DataFrame) -> str:
    """Return the numbers of batches: "100 batches each, 20 at m = 200, b = 24"."""
    sizes = results.groupby(["network.width", "batch_size"]).size()
    most = int(sizes.max())
    fewer = sizes[sizes < most].reset_index(name="n").to_numpy()
    return f"{most} batches each" + "".join(f", {n} at m = {m}, b = {b}" for m, b, n in fewer)
