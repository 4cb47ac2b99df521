"""Exact batches behind each activation over the batch size, from two layers' gradients.

"not run": no batch of that size was attacked behind that activation. "hardtanh, loss": by the
default attack, which asks the cross-entropy where a pair leaves inputs as a mixture.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter

from spear.analysis.render import style
from spear.analysis.statistics.activations import with_those_by_loss
from spear.analysis.statistics.measures import exact

EXPERIMENTS = ("activations", "activations_by_loss")

NOT_RUN = "not run"

NEXT = {6: "next layer as wide (rank b)", 2: "classifier of 10 classes (rank 9 at most)"}


def draw(results: pd.DataFrame) -> Figure:
    """Draw a map for each kind of next layer, the easiest activations on top."""
    results = with_those_by_loss(results)
    shares = results.groupby("network.activation")["exact"].mean()
    given = {name: place for place, name in enumerate(dict.fromkeys(results["network.activation"]))}
    order = sorted(shares.index, key=lambda name: (-shares[name], given[name]))
    figure = style.new_figure(1.0 + 0.24 * len(order))
    grid = figure.subplots(1, len(NEXT), sharey=True)
    for axes, (depth, title) in zip(grid, NEXT.items(), strict=True):
        image = _map(axes, results[results["network.depth"] == depth], order)
        axes.set_title(title)
        axes.set_xlabel("batch size b (m = 200)")
    figure.colorbar(image, ax=grid, label="batches exact", format=PercentFormatter(1), aspect=30)
    return figure


def _map(axes: Axes, batches: pd.DataFrame, order: list[str]) -> AxesImage:
    """Draw cells with their counts, or `NOT_RUN`."""
    table = exact(batches, ["network.activation", "batch_size"])
    table["text"] = table["n_exact"].astype(str) + "/" + table["n"].astype(str)
    share, text = (
        table.pivot(index="network.activation", columns="batch_size", values=each).reindex(order)
        for each in ("share", "text")
    )
    drawn = style.value_map(axes, share, text.fillna("").to_numpy().tolist())
    for i, j in np.argwhere(share.isna().to_numpy()):
        axes.text(j, i, NOT_RUN, ha="center", va="center", color=style.GREY, fontsize=6.5)
    return drawn
