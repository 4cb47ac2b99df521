"""LAVP, a forecast of the risk, against the PSNR that gradient matching then reaches.

Each dot is an image. LAVP is the largest eigenvalue of the attack's own loss, L2 or cosine, at the
truth; in theory PSNR falls with it. Each panel's title has Spearman's rho of LAVP and, in brackets,
of the gradient's norm. The table has the 95 % intervals.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.rank_correlation import (
    DATASETS,
    LOSS_NAMES,
    NETWORKS,
    NORM,
    Cell,
    cells,
    correlation,
)

EXPERIMENTS = ("lavp",)

COLOURS = {"l2": style.BLUE, "cosine": style.COLOURS["spear"]}


def draw(results: pd.DataFrame) -> Figure:
    """Draw a row of panels for each network and loss, a column for each data set."""
    found = list(cells(results))
    rows = list(dict.fromkeys((cell.network, cell.loss) for cell in found))
    columns = list(dict.fromkeys(cell.dataset for cell in found))
    figure = style.new_figure(0.6 + 2.1 * len(rows))
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    for cell in found:
        axes = panels[rows.index((cell.network, cell.loss)), columns.index(cell.dataset)]
        _panel(axes, cell)
    for (network, loss), axes in zip(rows, panels[:, 0], strict=True):
        axes.set_ylabel(f"{NETWORKS[network]}, {LOSS_NAMES[loss]}\nPSNR [dB]")
    for axes in panels[-1]:
        axes.set_xlabel("largest eigenvalue (log axis)")
    return figure


def _panel(axes: Axes, cell: Cell) -> None:
    batches = cell.batches
    axes.scatter(batches[cell.lavp], batches["psnr"], s=14, color=COLOURS[cell.loss], alpha=0.8)
    axes.set_xscale("log")
    ticks = np.geomspace(batches[cell.lavp].min(), batches[cell.lavp].max(), 3)
    axes.set_xticks(ticks, [f"{float(f'{tick:.2g}'):g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    lavp, norm = (_rho(batches[each], batches["psnr"]) for each in (cell.lavp, NORM))
    axes.set_title(f"{DATASETS[cell.dataset]}\n$\\rho$ = {lavp} (norm {norm})")


def _rho(proxy: pd.Series, psnr: pd.Series) -> str:
    found = correlation(proxy, psnr)
    return "-" if found is None else f"{found.value:.2f}"
