"""How figures look: sizes, names, and Okabe and Ito's colours that everyone can tell apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

COLOURS = {
    "spear_irls": "#0072B2",  # blue
    "spear": "#D55E00",  # vermilion
    "spear_svd": "#CC79A7",  # purple
}
GREY = "#666666"
GREEN = "#009E73"
BLUE = "#0072B2"

MARKERS = {"spear_irls": "o", "spear": "s", "spear_svd": "^"}

NAMES = {
    "spear_irls": "descent (spear_irls)",
    "spear": "sampling, information sets",
    "spear_svd": "sampling, one SVD each (paper)",
}

WIDTH = 8.0
"""Inches; at 150 dots an inch a little more than a README shows."""

ROOM = 1.3
"""Least ratio of values whose labels stand apart on a logarithmic axis."""

SETTINGS = {
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.markersize": 5,
    "pdf.fonttype": 42,
}


@contextmanager
def applied() -> Iterator[None]:
    """Within, figures look like this."""
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]
        yield


def new_figure(height: float) -> Figure:
    """An empty figure of full width; `height` in inches. It needs no display and no closing."""
    return Figure(figsize=(WIDTH, height))


def sign(figure: Figure, origin: str) -> None:
    """Say small, below everything, where the numbers come from."""
    figure.supxlabel(origin, fontsize=6.5, color=GREY, x=0.995, ha="right")


def banded(
    axes: Axes, x: pd.Series, spread: pd.DataFrame, colour: str, marker: str, label: str
) -> None:
    """Draw a line through medians with its 10-90 % band (`analysis.statistics.measures.spread`)."""
    axes.fill_between(x, spread["low"], spread["high"], color=colour, alpha=0.2, linewidth=0)
    axes.plot(x, spread["median"], color=colour, marker=marker, label=label)


def shares(axes: Axes, x: pd.Series, table: pd.DataFrame, **line: Any) -> None:
    """A line through shares of batches with their 95 % intervals (`measures.exact_interval`)."""
    error = [table["share"] - table["low"], table["high"] - table["share"]]
    axes.errorbar(x, table["share"], error, capsize=2, elinewidth=0.8, **line)


def per_cent(axes: Axes) -> None:
    """An axis of shares, all of it."""
    axes.set_ylim(-0.03, 1.05)
    axes.yaxis.set_major_formatter(PercentFormatter(1))


def plain_ticks(axes: Axes, values: list[int]) -> None:
    """These values of x on a logarithmic axis, as plain numbers where there is room."""
    labels = [str(values[0])]
    shown = values[0]
    for value in values[1:]:
        room = value >= ROOM * shown
        shown = value if room else shown
        labels.append(str(value) if room else "")
    axes.set_xscale("log")
    axes.set_xticks(values, labels)
    axes.set_xticks([], minor=True)


def durations(axes: Axes) -> None:
    """Name a few spans of time at the right of a logarithmic axis of seconds."""
    spans = {"minute": 60, "hour": 3600, "day": 86400, "year": 3.15e7, "century": 3.15e9}
    low, high = axes.get_ylim()
    shown = {name: s for name, s in spans.items() if low < s < high}
    right = axes.secondary_yaxis("right")
    right.set_yticks(np.array(list(shown.values())), [f"1 {name}" for name in shown])
    right.set_yticks([], minor=True)
    right.tick_params(length=0, labelcolor=GREY)
