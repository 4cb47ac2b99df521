"""Share of token positions whose hidden state is found exactly, over tokens/d, for each model."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.tables.transformer_blocks import MODES, NAMES

EXPERIMENTS = ("transformer_blocks",)

LOOKS = {False: (style.BLUE, "o"), True: (style.GREEN, "s")}
"""Mode -> colour and marker."""


def draw(results: pd.DataFrame) -> Figure:
    """Draw a panel for each model: a point a batch and block, full if the batch is proven."""
    figure = style.new_figure(2.9)
    names = [each for each in NAMES if (results["network"] == each).any()]
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False).flat
    for axes, name in zip(panels, names, strict=True):
        _panel(axes, results[results["network"] == name])
        axes.set_title(NAMES[name])
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def _panel(axes: Axes, batches: pd.DataFrame) -> None:
    for training, chosen in batches.groupby("network.training"):
        colour, marker = LOOKS[bool(training)]
        tokens = chosen["directions"] / chosen["network.width"]
        proven = chosen["status"] == "exact"
        for right, face in ((True, colour), (False, "none")):
            part = proven == right
            label = f"dropout {MODES[bool(training)]}{'' if right else ', not proven'}"
            axes.scatter(
                tokens[part], chosen["positions_exact"][part], s=16, marker=marker, lw=0.8,
                edgecolors=colour, facecolors=face, alpha=0.7,
                label=label if part.any() else None,
            )  # fmt: skip
    axes.set_xlabel("different tokens in the batch / d")
    axes.set_ylabel("positions exact")
    axes.set_ylim(-0.05, 1.05)
    style.per_cent(axes)
