"""Share of exact batches over the batch size b and the width m, of the search by descent."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from spear.analysis.render import style
from spear.analysis.statistics.measures import exact

EXPERIMENTS = ("phase_transition",)

INPUTS = {True: "normalised inputs", False: "pixels in [0, 1]"}

FULL_RANK = "b >= m: the gradient has full rank, from which no attack of this kind can start"
IMPOSSIBLE: dict[str, Any] = {
    "facecolor": "white",
    "edgecolor": style.GREY,
    "hatch": "////",
    "linewidth": 0,
}


def draw(results: pd.DataFrame) -> Figure:
    """Draw a map for each kind of inputs (columns) and state of the network (rows)."""
    sizes = [sorted(results[each].unique()) for each in ("batch_size", "network.width")]
    trained = sorted(results["network.steps"].unique())
    figure = style.new_figure(0.7 + 3.0 * len(trained))
    grid = figure.subplots(len(trained), len(INPUTS), squeeze=False, sharex=True, sharey=True)
    for row, steps in zip(grid, trained, strict=True):
        state = f"after {steps:,} SGD steps" if steps else "at initialisation"
        at_state = results[results["network.steps"] == steps]
        for axes, (normalised, inputs) in zip(row, INPUTS.items(), strict=True):
            chosen = at_state[at_state["dataset.normalize"] == normalised]
            image = draw_map(axes, chosen, *sizes)
            axes.set_title(f"{inputs}, {state}")
        row[0].set_ylabel("batch size b")
    for axes in grid[-1]:
        axes.set_xlabel("neurons of the layer m")
    figure.colorbar(image, ax=grid, label="batches exact", format=PercentFormatter(1), aspect=30)
    figure.legend([Rectangle((0, 0), 1, 1, **IMPOSSIBLE)], [FULL_RANK], loc="outside upper center")
    return figure


def draw_map(axes: Axes, batches: pd.DataFrame, b: list[int], m: list[int]) -> AxesImage:
    """Draw cells with exact batches out of all, blank if nothing was measured.

    Args:
        axes: on which to draw.
        batches: a row per batch.
        b, m: batch sizes (rows) and widths (columns), in ascending order.
    """
    table = exact(batches, ["batch_size", "network.width"])
    share = table.pivot(index="batch_size", columns="network.width", values="share")
    share = share.reindex(index=b, columns=m)
    impossible = np.greater_equal.outer(share.index.to_numpy(), share.columns.to_numpy())
    table["text"] = table["n_exact"].astype(str) + "/" + table["n"].astype(str)
    text = table.pivot(index="batch_size", columns="network.width", values="text")
    texts = text.reindex(index=b, columns=m).mask(impossible, "").to_numpy().tolist()
    for i, j in np.argwhere(impossible):
        axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, **IMPOSSIBLE))
    return style.value_map(axes, share, texts, origin="lower")
