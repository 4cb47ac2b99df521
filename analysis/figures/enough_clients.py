"""Images recovered from the mean of k clients' updates over all their images, CIFAR-10.

Recovered: a PSNR of 20 dB or more; mean over batches with its 95 % interval (Student's t). The
vertical lines are at k b = m / 2, up to which the equations of a layer pair determine the batch
(docs/theory/layer-pairs.md): clients protect each other by their number of examples together.
"""

from itertools import product

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.measures import mean_interval

EXPERIMENTS = ("enough_clients", "enough_clients_fedavg", "enough_clients_rounded")

TITLES = {
    "enough_clients": "gradients",
    "enough_clients_fedavg": "after 5 local epochs",
    "enough_clients_rounded": "gradients in whole numbers",
}

WIDTHS = {200: style.BLUE, 400: "#D55E00"}
"""m -> colour."""

ACTIVATIONS = {"relu": ("o", "-"), "gelu": ("s", "--")}
"""Activation -> marker and line."""

NAMES = {"relu": "ReLU", "gelu": "GELU"}


def draw(results: pd.DataFrame) -> Figure:
    """Draw a panel for each kind of update, a line for each width and activation."""
    results = results.assign(inputs=results["batch_size"] * results["aggregation.clients"])
    figure = style.new_figure(3.2)
    row = figure.subplots(1, len(TITLES), sharey=True)
    for axes, (experiment, title) in zip(row, TITLES.items(), strict=True):
        _panel(axes, results[results["experiment"] == experiment])
        axes.set_title(title)
    style.per_cent(row[0])
    row[0].set_ylabel("images recovered")
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _panel(axes: Axes, batches: pd.DataFrame) -> None:
    for (m, colour), (activation, (marker, line)) in product(WIDTHS.items(), ACTIVATIONS.items()):
        own = (batches["network.width"] == m) & (batches["network.activation"] == activation)
        if not own.any():
            continue
        table = mean_interval(batches[own], "inputs", "recovered")
        axes.fill_between(table["inputs"], table["low"], table["high"], color=colour, alpha=0.15)
        axes.plot(
            table["inputs"], table["median"], color=colour, marker=marker, linestyle=line,
            label=f"{NAMES[activation]}, m = {m}",
        )  # fmt: skip
    for m in sorted(set(batches["network.width"])):
        axes.axvline(m / 2, color=WIDTHS[m], linestyle=":", linewidth=1)
    n = int(batches.groupby("job").size().max())
    style.plain_ticks(axes, [4, 8, 16, 32, 64, 128])
    axes.set_xlim(3.5, 230)
    axes.set_xlabel(f"images of all clients, k b\n({n} batches of each k, b)")
