"""Images recovered against noise, clipping norm and local epochs, CIFAR-10.

m = 200, L = 6. Recovered: a PSNR of 20 dB or more; mean over batches with its 95 % interval
(Student's t). On the left the noise multiplier is Opacus's (deviation of the noise on the sum of
the clipped gradients, divided by C = 1), and epsilon is that of one such update at delta = 1e-5. In
the middle the noise on each entry of the mean stays as it is, so that clipping weakens the signal
alone; above the norm of the gradients it does nothing.
"""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.measures import mean_interval
from spear.analysis.statistics.privacy import epsilon

EXPERIMENTS = ("enough_noise", "enough_clipping", "enough_epochs")


@dataclass(frozen=True)
class Panel:
    """Experiment with the column that it sweeps beside the batch size, and its axis label."""

    experiment: str
    column: str
    label: str


PANELS = (
    Panel("enough_noise", "defense.noise_multiplier", "noise multiplier"),
    Panel("enough_clipping", "defense.max_norm", "clipping norm C (noise 2e-5)"),
    Panel("enough_epochs", "fedavg.epochs", "local epochs E (eta = 0.01)"),
)

SIZES = {5: ("o", "#009E73"), 10: ("s", "#0072B2"), 20: ("^", "#D55E00")}
"""Batch size -> marker and colour."""

SHOWN_EPSILONS = 4


def draw(results: pd.DataFrame) -> Figure:
    """Draw a panel for each experiment, a line for each batch size."""
    figure = style.new_figure(3.4)
    row = figure.subplots(1, len(PANELS), sharey=True)
    for axes, panel in zip(row, PANELS, strict=True):
        batches = results[results["experiment"] == panel.experiment]
        _curves(axes, panel, batches)
    name_epsilons(row[0], sorted(results[PANELS[0].column].dropna().unique()))
    style.per_cent(row[0])
    row[0].set_ylabel("images recovered")
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(SIZES))
    return figure


def _curves(axes: Axes, panel: Panel, batches: pd.DataFrame) -> None:
    for b, (marker, colour) in SIZES.items():
        table = mean_interval(batches[batches["batch_size"] == b], panel.column, "recovered")
        n = int(table["n"].max())
        name = f"b = {b}" if panel is PANELS[0] else None
        style.banded(axes, table[panel.column], table, colour, marker, name or "")
    axes.set_xscale("log")
    axes.set_xlabel(f"{panel.label}\n({n} batches per point)")


def name_epsilons(axes: Axes, multipliers: list[float]) -> None:
    """Write the epsilon of one update above some noise multipliers."""
    chosen = multipliers[:: -(-len(multipliers) // SHOWN_EPSILONS)]
    above = axes.secondary_xaxis("top")
    above.set_xticks(chosen, [f"{epsilon(each):.0e}".replace("e+0", "e") for each in chosen])
    above.set_xticks([], minor=True)
    above.set_xlabel("epsilon at delta = 1e-5")
