"""Style of the figures: sizes, names, and Okabe and Ito's colours that everyone can tell apart."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter

from spear.analysis.render import methods

GREY = "#666666"
GREEN = "#009E73"
BLUE = "#0072B2"
VERMILION = "#D55E00"

COLOURS = {
    "spear_irls": BLUE,
    "spear_peeling": GREEN,
    "spear": VERMILION,
    "spear_svd": "#CC79A7",  # purple
}
MARKERS = {"spear_irls": "o", "spear_peeling": "D", "spear": "s", "spear_svd": "^"}

NAMES = {attack: methods.name(attack) for attack in COLOURS}

LETTERS = 19
"""Small letters that fit an inch."""

WIDTH = 8.0
"""Inches; at 150 dots per inch a little wider than a README shows."""

ROOM = 1.3
"""Least ratio of two values whose labels do not overlap on a logarithmic axis."""

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
    """Apply this style to figures within the context."""
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]
        yield


def new_figure(height: float) -> Figure:
    """Return an empty figure of full width, `height` in inches; it needs no display, no closing."""
    return Figure(figsize=(WIDTH, height))


def sign(figure: Figure, origin: str) -> None:
    """Write the origin of the numbers in small letters below the figure, in lines that fit it."""
    lines = fill(origin, int(LETTERS * figure.get_figwidth()))
    figure.supxlabel(lines, fontsize=6.5, color=GREY, x=0.995, ha="right")


def banded(
    axes: Axes, x: pd.Series, spread: pd.DataFrame, colour: str, marker: str, label: str
) -> None:
    """Draw a line through medians with its 10-90 % band (`spear.analysis.statistics.measures`)."""
    axes.fill_between(x, spread["low"], spread["high"], color=colour, alpha=0.2, linewidth=0)
    axes.plot(x, spread["median"], color=colour, marker=marker, label=label)


def shares(axes: Axes, x: pd.Series, table: pd.DataFrame, **line: Any) -> None:
    """Draw a line through shares of batches with 95 % intervals (`measures.exact_interval`)."""
    error = [table["share"] - table["low"], table["high"] - table["share"]]
    axes.errorbar(x, table["share"], error, capsize=2, elinewidth=0.8, **line)


def value_map(
    axes: Axes,
    values: pd.DataFrame,
    texts: list[list[str]],
    limits: tuple[float, float] = (0.0, 1.0),
    **image: Any,
) -> AxesImage:
    """Draw a map of values with a text in each cell, blank where there is no value.

    Args:
        axes: on which to draw.
        values: values by cell; index and columns are written beside the cells.
        texts: of the cells, a list for each row; none is drawn for an empty one.
        limits: values of the darkest and of the brightest colour; those beyond have these colours.
        image: further arguments of `imshow`.
    """
    low, high = limits
    drawn = axes.imshow(
        values, cmap="cividis", vmin=low, vmax=high, aspect="auto", interpolation="none", **image
    )
    for (i, j), value in np.ndenumerate(values.to_numpy(dtype=float)):
        if np.isfinite(value) and texts[i][j]:
            colour = "black" if value > (low + high) / 2 else "white"
            axes.text(j, i, texts[i][j], ha="center", va="center", color=colour, fontsize=7.5)
    axes.set_xticks(range(len(values.columns)), [str(each) for each in values.columns])
    axes.set_yticks(range(len(values.index)), [str(each) for each in values.index])
    axes.grid(visible=False)
    return drawn


def note(axes: Axes, text: str, *, x: float = 0.98, y: float = 0.03) -> None:
    """Write small grey letters into a panel, such as the number of batches behind its points.

    Args:
        axes: the panel.
        text: the words.
        x, y: lower right corner of the words, as shares of the panel.
    """
    axes.text(
        x, y, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=7.5, color=GREY,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
    )  # fmt: skip


def counted(sizes: pd.Series) -> str:
    """Return the numbers of batches behind points in words: "n = 5 to 100"."""
    return "n = " + " to ".join(f"{each:,}" for each in sorted({sizes.min(), sizes.max()}))


def per_cent(axes: Axes) -> None:
    """Make the y axis one of shares, from 0 to 100 %."""
    axes.set_ylim(-0.03, 1.05)
    axes.yaxis.set_major_formatter(PercentFormatter(1))


def plain_ticks(axes: Axes, values: Sequence[float]) -> None:
    """Mark these values on a logarithmic x axis, as plain numbers if there is room."""
    labels = [f"{values[0]:g}"]
    shown = values[0]
    for value in values[1:]:
        room = value >= ROOM * shown
        shown = value if room else shown
        labels.append(f"{value:g}" if room else "")
    axes.set_xscale("log")
    axes.set_xticks(values, labels)
    axes.set_xticks([], minor=True)


def durations(axes: Axes) -> None:
    """Label a few durations at the right of a logarithmic axis of seconds."""
    spans = {"minute": 60, "hour": 3600, "day": 86400, "year": 3.15e7, "century": 3.15e9}
    low, high = axes.get_ylim()
    shown = {name: s for name, s in spans.items() if low < s < high}
    right = axes.secondary_yaxis("right")
    right.set_yticks(np.array(list(shown.values())), [f"1 {name}" for name in shown])
    right.set_yticks([], minor=True)
    right.tick_params(length=0, labelcolor=GREY)
