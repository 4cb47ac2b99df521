"""Seconds per batch of the descent and of both samplers, on the same batches."""

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics import measures
from spear.analysis.statistics.extrapolation import ATTACKS, ratios, times

EXPERIMENTS = ("side_by_side",)


def draw(results: pd.DataFrame) -> Figure:
    """Draw the median and 10-90 % band (hollow if extrapolated) with its ratio to the descent's."""
    table = times(results)
    ratio = ratios(table)
    figure = style.new_figure(3.8)
    axes = figure.subplots()
    for attack in ATTACKS:
        rows = table[table["attack"] == attack]
        colour, marker = style.COLOURS[attack], style.MARKERS[attack]
        style.banded(axes, rows["batch_size"], rows, colour, marker, style.NAMES[attack])
        guessed = rows[rows["extrapolated"]]
        axes.plot(guessed["batch_size"], guessed["median"], marker, color=colour, mfc="white")
        if attack != "spear_irls":
            for b, median in zip(rows["batch_size"], rows["median"], strict=True):
                axes.annotate(
                    measures.times(ratio.loc[b, attack]), (b, median), (-6, 5), color=colour,
                    textcoords="offset points", ha="right", fontsize=8.5,
                )  # fmt: skip
    if table["extrapolated"].any():
        axes.plot([], [], "^", color=style.GREY, mfc="white", label="hollow: extrapolated")
    axes.set_yscale("log")
    axes.set_xticks(sorted(table["batch_size"].unique()))
    axes.set_xlim(table["batch_size"].min() - 1, table["batch_size"].max() + 0.5)
    axes.set_xlabel("batch size b (m = 200)")
    axes.set_ylabel("seconds per batch")
    axes.margins(y=0.1)
    style.durations(axes)
    axes.legend(loc="upper left")
    return figure
