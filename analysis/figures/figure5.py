"""Figure 5: accuracy and submatrices against the width (L = 6) and the depth (m = 200), b = 20.

Accuracy with 95 % Clopper-Pearson intervals; Algorithm 1 ran on few batches at some points, whose
number stands beside them. One seed gives every depth the same batches and the same first layer. The
depth changes the submatrices needed only through the size of each input's gradient. Sampling at
m = 200, L = 6 is that of Figure 4.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.measures import exact_interval, spread

EXPERIMENTS = (
    "figure5_width",
    "figure5_width_sampling",
    "figure5_depth",
    "figure5_depth_sampling",
    "figure4_b18_to_b24",
)

LINES = {"spear_irls": "-", "spear": ":"}

PANELS = {"network.width": "width m (L = 6)", "network.depth": "depth L (m = 200)"}


def draw(results: pd.DataFrame) -> Figure:
    """Draw accuracy of both attacks (above) and submatrices of Algorithm 1 (below)."""
    figure = style.new_figure(5.0)
    shared = results["experiment"] == "figure4_b18_to_b24"
    results = results[~shared | ((results["batch_size"] == 20) & (results["network.width"] == 200))]
    above, below = figure.subplots(
        2, 2, sharex="col", sharey="row", gridspec_kw={"height_ratios": [1, 1]}
    )
    for top, bottom, (column, label) in zip(above, below, PANELS.items(), strict=True):
        own = f"figure5_{column.removeprefix('network.')}"
        swept = results[results["experiment"].str.startswith((own, "figure4_b18_to_b24"))]
        _accuracy(top, swept, column)
        _submatrices(bottom, swept[swept["attack"] == "spear"], column)
        bottom.set_xlabel(label)
    style.plain_ticks(above[0], sorted(results["network.width"].unique()))
    below[1].set_xticks(sorted(results["network.depth"].unique()))
    style.per_cent(above[0])
    above[0].set_ylabel("batches exact")
    below[0].set_ylabel("submatrices per batch")
    handles, labels = above[0].get_legend_handles_labels()
    more = below[0].get_legend_handles_labels()
    figure.legend(handles + more[0], labels + more[1], loc="outside upper center", ncols=3)
    return figure


def _accuracy(axes: Axes, results: pd.DataFrame, column: str) -> None:
    """Draw the accuracy of one sweep, with the number of batches of points with few."""
    for attack, line in LINES.items():
        table = exact_interval(results[results["attack"] == attack], column)
        face = style.COLOURS[attack] if attack == "spear_irls" else "white"
        style.shares(
            axes, table[column], table, color=style.COLOURS[attack], linestyle=line,
            marker=style.MARKERS[attack], label=style.NAMES[attack], mfc=face,
        )  # fmt: skip
        if attack == "spear":
            for x, n, low in zip(table[column], table["n"], table["low"], strict=True):
                axes.annotate(
                    f"n = {n}", (x, low), (0, -3), textcoords="offset points", ha="center",
                    va="top", fontsize=7.5, color=style.COLOURS[attack],
                )  # fmt: skip
    style.note(axes, f"{style.NAMES['spear_irls']}: {_batches(results)} batches", y=0.06)


def _batches(results: pd.DataFrame) -> str:
    """Return the number of batches of the descent's points: "n = 100"."""
    ours = results[results["attack"] == "spear_irls"]
    return style.counted(ours.groupby(["network.width", "network.depth"]).size())


def _submatrices(axes: Axes, sampled: pd.DataFrame, column: str) -> None:
    table = spread(sampled, column, "submatrices")
    style.banded(axes, table[column], table, style.GREEN, "D", "submatrices, median and 10-90 %")
    axes.set_yscale("log")
