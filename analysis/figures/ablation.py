"""Ablation of the search by descent: exact batches and seconds without each of its ideas."""

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.ablation import SETTINGS, cases
from spear.analysis.statistics.measures import exact

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
        table = exact(batches, "attack/settings")
        place = table["attack/settings"].map(rows) + shift
        left.barh(place, 100 * table["share"], height=0.36, color=colour, label=label)
        for is_exact, some in batches.groupby("exact"):
            place = some["attack/settings"].map(rows) + shift
            face = colour if is_exact else "white"
            right.scatter(some["seconds"], place, s=16, c=face, edgecolors=colour, linewidths=0.9)
    right.scatter([], [], s=16, c="white", edgecolors=style.GREY, label="not exact")
    left.set_yticks(range(len(SETTINGS)), list(SETTINGS.values()))
    left.invert_yaxis()
    left.grid(visible=False, axis="y")
    left.set_xlabel("batches exact [%]")
    left.set_xlim(0, 102)
    right.set_xlabel("seconds per batch")
    right.set_xscale("log")
    right.tick_params(left=False)
    figure.legend(loc="outside upper center", ncols=3)
    return figure
