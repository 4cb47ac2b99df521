"""Ablation of the search by descent: exact batches and seconds without each of its ideas.

Shares with 95 % Clopper-Pearson intervals. A batch that is not exact ended at the time limit.
"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.ablation import SETTINGS, cases
from spear.analysis.statistics.measures import exact_interval

EXPERIMENTS = ("ablation", "ablation_pixels")

COLOURS = ("#0072B2", "#E69F00")


def draw(results: pd.DataFrame) -> Figure:
    """Draw shares of exact batches (left), seconds of every batch (right; hollow: not exact)."""
    figure = style.new_figure(4.2)
    left, right = figure.subplots(1, 2, sharey=True)
    rows = {name: place for place, name in enumerate(SETTINGS)}
    for shift, colour, (label, batches) in zip(
        (-0.2, 0.2), COLOURS, cases(results).items(), strict=True
    ):
        _shares(left, exact_interval(batches, "attack/settings"), rows, shift, colour, label)
        for is_exact, some in batches.groupby("exact"):
            place = some["attack/settings"].map(rows) + shift
            face = colour if is_exact else "white"
            right.scatter(some["seconds"], place, s=16, c=face, edgecolors=colour, linewidths=0.9)
    right.scatter([], [], s=16, c="white", edgecolors=style.GREY, label="not exact")
    left.set_yticks(range(len(SETTINGS)), list(SETTINGS.values()))
    left.invert_yaxis()
    left.grid(visible=False, axis="y")
    left.set_xlim(0, 102)
    limit = float(results["attack.time_limit"].max()) if "attack.time_limit" in results else 0.0
    if limit:
        right.axvline(limit, color=style.GREY, linestyle=":", label=f"limit of {limit:g} s")
    right.set_xlabel("seconds per batch")
    right.set_xscale("log")
    right.tick_params(left=False)
    sizes = results.groupby(["experiment", "attack/settings"]).size()
    left.set_xlabel(f"batches exact [%] ({style.counted(sizes)} per bar)")
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def _shares(
    axes: Axes,
    table: pd.DataFrame,
    rows: Mapping[str, int],
    shift: float,
    colour: str,
    label: str,
) -> None:
    """Draw bars with 95 % intervals; a bar of 0 % is written out."""
    place = table["attack/settings"].map(rows) + shift
    error = [100 * (table["share"] - table["low"]), 100 * (table["high"] - table["share"])]
    axes.barh(
        place, 100 * table["share"], height=0.36, color=colour, label=label, xerr=error,
        error_kw={"elinewidth": 0.8, "capsize": 2, "ecolor": style.GREY},
    )  # fmt: skip
    for y, k, high in zip(place, table["n_exact"], table["high"], strict=True):
        if k == 0:
            axes.text(100 * high + 1.5, y, "0 %", va="center", fontsize=8, color=colour)
