"""Share of whole images behind a vision transformer's gradient over b, and the counted limit."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.measures import mean_interval, proven
from spear.analysis.statistics.whole_images import HEADS
from spear.vision.limits import most_images

EXPERIMENTS = ("vit_images", "vit_images_16")

CHANNELS, SIDE = 3, 32
"""Images of CIFAR-10."""

MARKS = {"class_token": (style.BLUE, "o"), "mean": (style.GREEN, "s")}
"""Head -> colour and marker."""


def draw(results: pd.DataFrame) -> Figure:
    """Draw a panel for each number of patches, a colour for each head."""
    figure = style.new_figure(3.2)
    sides = sorted(results["network.patch"].unique(), reverse=True)
    for axes, side in zip(figure.subplots(1, len(sides), sharey=True), sides, strict=True):
        _panel(axes, results[results["network.patch"] == side], int(side))
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=3)
    return figure


def _panel(axes: Axes, batches: pd.DataFrame, side: int) -> None:
    (width,) = batches["network.width"].unique()
    patches, numbers = (SIDE // side) ** 2, CHANNELS * side**2
    limit = most_images(int(width), patches, numbers)
    axes.axvline(limit, color=style.GREY, ls="--", label="counted limit")
    whole = batches.assign(whole=batches["directions_right"] / batches["batch_size"])
    for head, name in HEADS.items():
        colour, marker = MARKS[head]
        chosen = whole[whole["network.head"] == head]
        table = mean_interval(chosen, "batch_size", "whole")
        style.banded(axes, table["batch_size"], table, colour, marker, f"{name}: images whole")
        shares = proven(chosen).groupby(chosen["batch_size"]).mean()
        axes.plot(shares, ":", color=colour, label=f"{name}: batches proven")
    axes.set_title(f"{patches} patches of {side} pixels (d = {width})")
    axes.set_xticks([*sorted(batches["batch_size"].unique()), limit])
    sizes = batches.groupby(["network.head", "batch_size"]).size()
    axes.set_xlim(right=limit * 1.05)
    style.note(axes, f"{style.counted(sizes)} batches per point; larger b: not run", x=0.9, y=0.1)
    axes.set_xlabel("images in the batch b")
    axes.set_ylabel("share")
    style.per_cent(axes)
