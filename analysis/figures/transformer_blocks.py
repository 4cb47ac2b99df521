"""Largest error of a batch's hidden states over its number of tokens, relative to the width d.

A point a batch and block: full if every position is found to 1e-3 and proven.
"""

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.render.language import MODELS, MODES
from spear.analysis.statistics.measures import proven
from spear.scoring.positions import EXACT

EXPERIMENTS = ("transformer_blocks",)

LOOKS = {False: (style.BLUE, "o"), True: (style.GREEN, "s")}
"""Mode -> colour and marker."""


def draw(results: pd.DataFrame) -> Figure:
    """Draw a panel for each model, with its share of proven batches."""
    figure = style.new_figure(3.0)
    names = [each for each in MODELS if (results["network"] == each).any()]
    panels = figure.subplots(1, len(names), sharex=True, sharey=True, squeeze=False).flat
    for axes, name in zip(panels, names, strict=True):
        chosen = results[results["network"] == name]
        _panel(axes, chosen)
        axes.set_title(f"{MODELS[name]}: {proven(chosen).sum()}/{len(chosen)} batches exact")
    axes.set_xlim(0, 1)
    named: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=3)
    return figure


def _panel(axes: Axes, batches: pd.DataFrame) -> None:
    for training, chosen in batches.groupby("network.training"):
        colour, marker = LOOKS[bool(training)]
        tokens, whole = chosen["directions"] / chosen["network.width"], proven(chosen)
        for right, face in ((True, colour), (False, "none")):
            part = whole == right
            label = f"dropout {MODES[bool(training)]}{'' if right else ', not proven or not found'}"
            axes.scatter(
                tokens[part], chosen["state_error"][part], s=14, marker=marker, linewidths=0.8,
                edgecolors=colour, facecolors=face, alpha=0.6,
                label=label if part.any() else None,
            )  # fmt: skip
    axes.axhline(EXACT, color=style.GREY, ls="--", lw=1, label="error that counts as exact")
    axes.set_yscale("log")
    axes.set_xlabel("different tokens in the batch / d")
    axes.set_ylabel("largest relative error")
