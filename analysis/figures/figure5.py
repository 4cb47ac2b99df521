"""Figure 5: accuracy and submatrices against the width (L = 6) and the depth (m = 200), b = 20.

One seed gives every depth the same batches and the same first layer. The depth changes the
submatrices needed only through the size of each input's gradient. Sampling at m = 200, L = 6 is
that of Figure 4.
"""

from collections.abc import Mapping

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
MARKS = {"spear_irls": style.GREEN, "spear": "white"}


def draw(results: pd.DataFrame) -> Figure:
    """Draw the accuracy of both attacks (green) and the submatrices of Algorithm 1 (blue)."""
    figure = style.new_figure(3.9)
    shared = results["experiment"] == "figure4_b18_to_b24"
    results = results[~shared | ((results["batch_size"] == 20) & (results["network.width"] == 200))]
    counts = {str(attack): _batches(each) for attack, each in results.groupby("attack")}
    sampled = results.loc[results["attack"] == "spear", "submatrices"]
    panels = {"network.width": "width m (L = 6)", "network.depth": "depth L (m = 200)"}
    for axes, (column, label) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        own = f"figure5_{column.removeprefix('network.')}"
        swept = results[results["experiment"].str.startswith((own, "figure4_b18_to_b24"))]
        right = _panel(axes, swept, column, sampled, counts)
        axes.set_xlabel(label)
    style.plain_ticks(figure.axes[0], sorted(results["network.width"].unique()))
    handles, labels = axes.get_legend_handles_labels()
    more = right.get_legend_handles_labels()
    figure.legend(handles + more[0], labels + more[1], loc="outside upper center", ncols=3)
    return figure


def _batches(results: pd.DataFrame) -> str:
    """Return the number of batches of the points: "100", or "5 to 100"."""
    sizes = results.groupby(["experiment", "network.width", "network.depth"]).size()
    return " to ".join(str(each) for each in sorted({sizes.min(), sizes.max()}))


def _panel(
    axes: Axes,
    results: pd.DataFrame,
    column: str,
    submatrices: pd.Series,
    counts: Mapping[str, str],
) -> Axes:
    """Draw one sweep; return its right axis, with room for the submatrices of both."""
    for attack, line in LINES.items():
        table = exact_interval(results[results["attack"] == attack], column)
        style.shares(
            axes, table[column], table, color=style.GREEN, linestyle=line,
            marker=style.MARKERS[attack],
            label=f"accuracy, {style.NAMES[attack]} (n = {counts[attack]})", mfc=MARKS[attack],
        )  # fmt: skip
    style.per_cent(axes)
    axes.set_ylabel("accuracy (batches exact)", color=style.GREEN)
    axes.set_xticks(sorted(results[column].unique()))
    right = axes.twinx()
    table = spread(results[results["attack"] == "spear"], column, "submatrices")
    style.banded(right, table[column], table, style.BLUE, "D", "submatrices, 10-90 %")
    right.set_yscale("log")
    right.set_ylim(submatrices.min() / 10, submatrices.max() * 100)
    right.set_ylabel("submatrices per batch", color=style.BLUE)
    right.grid(visible=False)
    return right
