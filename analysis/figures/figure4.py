"""Figure 4: submatrices until a batch is exact, against b, for a wide and a narrow layer.

Algorithm 1 with information sets. It counts whole chunks of submatrices, each a quarter larger than
the last, so that a count is up to a fifth above what was needed; the paper always looks at
10,000 at once, the plateau on the left of its figure. An information set yields b submatrices,
whose hits come in clusters: 2 b / (b + 1) times those of Lemma 5.2 (docs/theory/sampling.md).
The paper's text gives no values of its curves: it says that m = 2000 follows Lemma 5.2, that
m = 200 needs about 20 times as many, and that 63 % of the batches at b = 24 end within 2e9.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.paper.said import PAPER_LIMIT, PAPER_RATIO
from spear.analysis.render import style
from spear.analysis.render.laws import draw_laws
from spear.analysis.statistics.measures import exact, spread
from spear.inversion.sampling.lemmas import n_total_expected

EXPERIMENTS = ("figure4", "figure4_b18_to_b24")

PAPER_LAW = {16: 1.8e5}
"""b -> n_total by Lemma 5.2, as the paper states it (Sec. 5.2)."""

FROM = 12
"""Least b at which the paper's ratio is drawn; below, chunks of 10,000 hide it."""

LOOKS = [(style.COLOURS["spear"], "s"), (style.COLOURS["spear_irls"], "o")]


def draw(results: pd.DataFrame) -> Figure:
    """Draw both laws and each width's median and 10-90 % band; hollow if some are not exact."""
    figure = style.new_figure(4.4)
    axes = figure.subplots()
    for (m, batches), look in zip(results.groupby("network.width"), LOOKS, strict=False):
        _curve(axes, batches, f"m = {m}, median and 10-90 %", *look)
    b = np.arange(results["batch_size"].min(), results["batch_size"].max() + 1)
    draw_laws(axes, b)
    _papers(axes, b)
    axes.set_yscale("log")
    axes.set_xticks(sorted(results["batch_size"].unique()))
    axes.set_xlabel("batch size b")
    style.note(axes, _numbers(results))
    axes.set_ylabel("submatrices sampled per batch (whole chunks)")
    if results["network.width"].nunique() == 2:
        axes.set_title(_compared(results))
    axes.legend(loc="upper left", fontsize=8)
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


def _papers(axes: Axes, b: np.ndarray) -> None:
    """Draw the paper's values: of Lemma 5.2, of the narrow layer over the wide one, its limit."""
    axes.plot(
        list(PAPER_LAW), list(PAPER_LAW.values()), "k*", markersize=11,
        label="the paper: Lemma 5.2 at b = 16",
    )  # fmt: skip
    law = [PAPER_RATIO * n_total_expected(int(each)) for each in b if each >= FROM]
    axes.plot(
        b[b >= FROM], law, "-.", color="black", linewidth=0.9,
        label=f"the paper: m = 200 needs about {PAPER_RATIO} x Lemma 5.2",
    )  # fmt: skip
    at, most, share = PAPER_LIMIT
    axes.plot(
        [at], [most], "kv", label=f"the paper: m = 200, b = {at}, {share} % of batches within this"
    )


def _compared(results: pd.DataFrame) -> str:
    """Return the ratios of `ratios` in words."""
    ratio = ratios(results)
    parts = ", ".join(f"{each:.1f} at b = {b}" for b, each in ratio.tail(3).items())
    narrow, wide = sorted(results["network.width"].unique())
    return f"submatrices at m = {narrow} / at m = {wide}: {parts} (the paper: about {PAPER_RATIO})"


def _numbers(results: pd.DataFrame) -> str:
    """Return the numbers of batches: "100 batches each, 20 at m = 200, b = 24"."""
    sizes = results.groupby(["network.width", "batch_size"]).size()
    most = int(sizes.max())
    fewer = sizes[sizes < most].reset_index(name="n").to_numpy()
    return f"n = {most} batches per point" + "".join(
        f", {n} at m = {m}, b = {b}" for m, b, n in fewer
    )
