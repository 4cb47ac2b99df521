"""Images that equations tell of a vision transformer's gradient, over its patches and width."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.vision.limits import most_images

EXPERIMENTS = ("vit_images", "vit_images_16")

SIDE = 32
"""Of the images of CIFAR-10, in pixels."""

MANY = 3 * 32**2
"""Numbers in a patch of the curves: as many as patches of 32 pixels have."""

WIDTHS = {192: "#D55E00", 384: style.BLUE, 768: style.GREEN, 1024: "#CC79A7"}
"""Width d -> colour."""

MODELS = (
    ("ViT-B/32", 768, 49, 3 * 32**2),
    ("ViT-B/16", 768, 196, 3 * 16**2),
    ("ViT-L/16", 1024, 196, 3 * 16**2),
    ("DeiT-S/16", 384, 196, 3 * 16**2),
    ("ViT-B/16 at 96 pixels", 768, 36, 3 * 16**2),
)
"""Name, d, N and numbers in a patch, at 224 pixels unless said."""

MOST_PATCHES = 400

FEW = 40
"""Patches of models whose names stand higher, above the curves."""


def draw(results: pd.DataFrame) -> Figure:
    """Draw the counted limit over N, a curve for each d, with models and recorded batches."""
    figure = style.new_figure(4.0)
    axes = figure.subplots()
    patches = np.unique(np.geomspace(2, MOST_PATCHES, 200).astype(int))
    for width, colour in WIDTHS.items():
        limits = [most_images(width, int(n), MANY) for n in patches]
        axes.step(patches, limits, where="post", color=colour, label=f"counted limit, d = {width}")
    for name, width, count, numbers in MODELS:
        limit = most_images(width, count, numbers)
        axes.plot(count, limit, "D", color=WIDTHS[width], zorder=3)
        above = 20 if count < FEW else 5  # the name is longer than the space below
        place = (count, limit), (6, above)
        axes.annotate(f"{name}: {limit}", *place, textcoords="offset points")
    for count, b, whole, n in _recorded(results):
        face = WIDTHS[384] if whole == n else "white"
        axes.plot(count, b, "o", color=WIDTHS[384], mfc=face, zorder=3)
    axes.plot([], [], "o", color=WIDTHS[384], label="recorded: all images whole in every batch")
    axes.plot([], [], "o", color=WIDTHS[384], mfc="white", label="recorded: not in every batch")
    _labelled(axes)
    return figure


def _recorded(results: pd.DataFrame) -> Iterator[tuple[int, int, int, int]]:
    """N, b, batches of which all images are whole, and batches, of recorded jobs of d = 384."""
    chosen = results[results["network.width"] == 384]
    for _, batches in chosen.groupby(["network.patch", "batch_size"]):
        side, b = (int(batches[key].iloc[0]) for key in ("network.patch", "batch_size"))
        whole = int((batches["directions_right"] == b).sum())
        yield (SIDE // side) ** 2, b, whole, len(batches)


def _labelled(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([4, 16, 49, 196], ["4", "16", "49", "196"])
    axes.set_xticks([], minor=True)
    axes.set_yticks([1, 2, 4, 8, 16, 32, 64], ["1", "2", "4", "8", "16", "32", "64"])
    axes.set_yticks([], minor=True)
    axes.set_ylim(bottom=0.8)
    axes.set_xlabel("patches of an image N")
    axes.set_ylabel("images in the batch b")
    axes.legend(fontsize="small")
