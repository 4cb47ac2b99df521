"""Figure 6: accuracy with and without the second stage of GreedyFilter (Sec. 4.2), against b.

Algorithm 1 with information sets, m = 200, with 95 % Clopper-Pearson intervals; b = 20 ran with the
second stage alone (Figure 4). In the paper the second stage gains more the larger b is;
its text gives two values. Here it changes no batch: each candidate is first refined on all of its
zero rows, then its zeros are counted, and one that they do not determine is left out. So no false
candidate has more zeros than a true one, and there is nothing to swap. Right: what grows with b
instead, the submatrices that both need.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.measures import exact_interval, spread

LARGE = "figure6_b18_to_b24"

WITH_IT = "figure4_b18_to_b24"
"""The same batches with the second stage alone."""

EXPERIMENTS = ("figure6", "figure6_pixels", LARGE, WITH_IT)

PAPER = {20: 0.99, 24: 0.63}
"""b -> accuracy at m = 200 with the second stage and at most 2e9 submatrices (Sec. 6.2)."""

INPUTS = {True: ("normalised inputs", style.BLUE, "o"), False: ("pixels in [0, 1]", "#CC79A7", "^")}

STAGES = {True: ("with", -0.12), False: ("without", 0.12)}
"""Second stage -> its word, and by how much its points are moved aside to be seen."""


def draw(results: pd.DataFrame) -> Figure:
    """Draw shares of exact batches (left) and submatrices (right), by inputs and stage."""
    twice = results.loc[results["experiment"] == LARGE, "batch_size"].unique()
    again = (results["experiment"] == WITH_IT) & results["batch_size"].isin(twice)
    narrow = results[(results["network.width"] == 200) & ~again]
    figure = style.new_figure(3.9)
    left, right = figure.subplots(1, 2)
    for normalised, (_, colour, marker) in INPUTS.items():
        for swaps, (_, shift) in STAGES.items():
            chosen = narrow[
                (narrow["dataset.normalize"] == normalised) & (narrow["attack.swaps"] == swaps)
            ]
            _accuracy(left, chosen, colour, marker, swaps, shift)
        _submatrices(right, narrow[narrow["dataset.normalize"] == normalised], normalised)
    left.plot([*PAPER], [*PAPER.values()], "k*", markersize=10, label="the paper, with it")
    style.per_cent(left)
    left.set_ylabel("batches exact")
    right.set_yscale("log")
    right.set_ylabel("submatrices, median and 10-90 %")
    for axes in (left, right):
        axes.set_xlabel("batch size b (m = 200)")
        axes.set_xticks(range(4, 25, 4))
    by = ["batch_size", "dataset.normalize", "attack.swaps"]
    style.note(left, f"{style.counted(narrow.groupby(by).size())} batches per point", y=0.08)
    style.note(right, same(narrow))
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def same(results: pd.DataFrame) -> str:
    """Return the number of batches that took as many submatrices with as without, in words."""
    by = ["dataset.normalize", "batch_size", "batch"]
    pairs = results.pivot_table(index=by, columns="attack.swaps", values="submatrices").dropna()
    if pairs.shape[1] < 2:
        return "one of the two alone"
    equal = int((pairs[True] == pairs[False]).sum())
    return f"with and without: the same number\nin {equal:,} of {len(pairs):,} batches"


def _accuracy(
    axes: Axes, chosen: pd.DataFrame, colour: str, marker: str, swaps: bool, shift: float
) -> None:
    if chosen.empty:
        return
    table = exact_interval(chosen, "batch_size")
    inputs = INPUTS[bool(chosen["dataset.normalize"].iloc[0])][0]
    style.shares(
        axes, table["batch_size"] + shift, table, color=colour, marker=marker,
        mfc=colour if swaps else "white", linestyle="-" if swaps else "--", linewidth=0.8,
        label=f"{inputs}, {STAGES[swaps][0]}",
    )  # fmt: skip


def _submatrices(axes: Axes, chosen: pd.DataFrame, normalised: bool) -> None:
    _, colour, marker = INPUTS[normalised]
    table = spread(chosen, "batch_size", "submatrices")
    style.banded(axes, table["batch_size"], table, colour, marker, "")
