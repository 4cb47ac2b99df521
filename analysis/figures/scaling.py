"""Seconds, and starts or submatrices, against the batch size at m = 10 b.

Beside the measured curves are the submatrices that the paper's search is expected to sample, by
Lemma 5.2 for independent ones and by docs/theory/sampling.md for those of information sets, and the
seconds for the latter at the seconds per submatrix measured at the largest b.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.render.laws import draw_laws
from spear.analysis.statistics.measures import exact, spread
from spear.inversion.sampling.lemmas import n_total_expected

EXPERIMENTS = ("scaling", "scaling_peeling", "scaling_sampling")


def draw(results: pd.DataFrame) -> Figure:
    """Draw seconds per batch (left), starts of our searches and submatrices of sampling (right)."""
    ours = [results[results["attack"] == each] for each in ("spear_irls", "spear_peeling")]
    descent, sampling = ours[0], results[results["attack"] == "spear"]
    figure = style.new_figure(3.6)
    left, right = figure.subplots(1, 2)
    b = np.arange(4, descent["batch_size"].max() + 1)

    for axes, found in ((left, "seconds"), (right, "details.starts")):
        for batches in ours:
            if not batches.empty:
                _curve(axes, batches, found)
        _curve(axes, sampling, "submatrices" if axes is right else found)
        axes.set_xlabel("batch size b (m = 10 b)")
        axes.set_yscale("log")
        style.plain_ticks(axes, sorted(descent["batch_size"].unique()))
    needed = [n_total_expected(int(each), per_draw=int(each)) for each in b]
    left.plot(
        b, np.array(needed) * seconds_per_submatrix(sampling), ":", color=style.GREY, zorder=1
    )
    draw_laws(right, b)
    left.set_ylabel("seconds per batch")
    left.set_ylim(descent["seconds"].min() / 2, 1e10)
    style.durations(left)
    right.set_ylabel("starts or submatrices per batch")
    right.set_ylim(10, 1e14)
    right.plot([], [], "s", color=style.GREY, mfc="white", label="hollow: some not exact")
    style.note(left, f"{style.counted(results.groupby(['attack', 'batch_size']).size())} batches")
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def seconds_per_submatrix(sampling: pd.DataFrame) -> float:
    """Return the median at the largest batch size, where sampling takes all of the time."""
    largest = sampling[sampling["batch_size"] == sampling["batch_size"].max()]
    return float((largest["seconds"] / largest["submatrices"]).median())


def _curve(axes: Axes, batches: pd.DataFrame, column: str) -> None:
    """Draw a search's median and band, with a hollow mark if some batch is not exact."""
    attack = batches["attack"].iloc[0]
    table = spread(batches, "batch_size", column)
    colour, marker = style.COLOURS[attack], style.MARKERS[attack]
    style.banded(axes, table["batch_size"], table, colour, marker, style.NAMES[attack])
    partly = table[exact(batches, "batch_size")["share"] < 1]
    axes.plot(partly["batch_size"], partly["median"], marker, color=colour, markerfacecolor="white")
