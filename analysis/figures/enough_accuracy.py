"""Images recovered beside the test accuracy that each defense leaves, CIFAR-10, m = 200, L = 6.

Recovered: a PSNR of 20 dB or more; mean over batches with its 95 % interval (Student's t); pruned
and compressed updates by the attack that recovers most. Accuracy: of the same network trained on
what a client shares under the defense, batches of 20, three epochs on 8,000 images, tested on 2,000
others, with the 95 % interval of that share, at the learning rate 0.1, or by this test the better
of 0.1 and 1 if gradients are clipped (`python -m benchmarks.defended_accuracy`); dashed: of the
plain gradient. A setting without a mark was not trained. Above the noise: epsilon of one update at
delta = 1e-5. C = 1 beside noise; beside clipping the noise on the mean is 2e-5. Random and top-k:
share of the entries that is left out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.figures.enough import SIZES, name_epsilons
from spear.analysis.records.defended import best
from spear.analysis.render import style
from spear.analysis.statistics.measures import mean_interval

COMPRESSED = (
    "enough_compression",
    "enough_compression_known_size",
    "enough_compression_completed",
)

EXPERIMENTS = ("enough_noise", "enough_clipping", "enough_pruning", *COMPRESSED)

TESTED = 2_000
"""Test images of `benchmarks.defended_accuracy`."""

SHARE = "defense.share"


@dataclass(frozen=True)
class Panel:
    """Experiment with the setting of a defense that it sweeps, and what the axis says of it."""

    experiment: str
    defense: str
    column: str
    label: str
    logarithmic: bool = True


PANELS = (
    Panel("enough_noise", "dpsgd_opacus", "defense.noise_multiplier", "noise multiplier"),
    Panel("enough_clipping", "dpsgd", "defense.max_norm", "clipping norm C"),
    Panel("enough_pruning", "sparsification", SHARE, "share pruned", logarithmic=False),
)

NAMES = {
    "int8": "int8",
    "int8_stochastic": "int8 by chance",
    "sign": "sign",
    "random_sparsification": "random",
    "top_k": "top-k",
}
"""Compression -> what the axis says of it."""


def draw(results: pd.DataFrame) -> Figure:
    """Draw a panel for each kind of defense, a line for each batch size, and the accuracy."""
    figure = style.new_figure(5.6)
    grid = figure.subplots(2, 2, sharey=True)
    for axes, panel in zip(grid.flat, PANELS, strict=False):
        _swept(axes, panel, results[results["experiment"] == panel.experiment])
    _compressed(grid[1, 1], results[results["experiment"].isin(COMPRESSED)])
    undefended = float(best("none").max())
    for axes in grid.flat:
        axes.axhline(undefended, color="black", linestyle="--", label="accuracy, no defense")
    multipliers = best(PANELS[0].defense).index
    name_epsilons(grid[0, 0], sorted(multipliers[multipliers > 0]))
    for axes in grid[:, 0]:
        style.per_cent(axes)
        axes.set_ylabel("share of images")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _swept(axes: Axes, panel: Panel, batches: pd.DataFrame) -> None:
    """Draw what is recovered and what is learnt over one setting of a defense."""
    for b, (marker, colour) in SIZES.items():
        table = _recovered(batches[batches["batch_size"] == b], [panel.column])
        name = f"images recovered, b = {b}"
        style.banded(axes, table[panel.column], table, colour, marker, name)
    trained = best(panel.defense)
    _accuracy(axes, trained[trained.index > 0] if panel.logarithmic else trained)
    if panel.logarithmic:
        axes.set_xscale("log")
    axes.set_xlabel(f"{panel.label} ({_counts(batches)} batches per point)")


def _compressed(axes: Axes, batches: pd.DataFrame) -> None:
    """Draw what is recovered and what is learnt for each compression, side by side."""
    batches = batches.assign(**{SHARE: batches[SHARE].fillna(0.0)})
    there = {*zip(batches["defense"], batches[SHARE], strict=True)}
    cells = sorted(there, key=lambda cell: ([*NAMES].index(cell[0]), cell[1]))
    places = {cell: place for place, cell in enumerate(cells)}
    for shift, (b, (marker, colour)) in zip((-0.2, 0.0, 0.2), SIZES.items(), strict=True):
        table = _recovered(batches[batches["batch_size"] == b], ["defense", SHARE])
        x = [places[cell] + shift for cell in zip(table["defense"], table[SHARE], strict=True)]
        error = [table["median"] - table["low"], table["high"] - table["median"]]
        axes.errorbar(
            x, table["median"], error, color=colour, marker=marker, capsize=2, linestyle=""
        )
    found = {place: best(name).get(share, np.nan) for (name, share), place in places.items()}
    trained = pd.Series(found, dtype=float).dropna()
    _accuracy(axes, trained, linestyle="")
    labels = [f"{NAMES[name]} {share:.0%}" if share else NAMES[name] for name, share in cells]
    axes.set_xticks([*places.values()], labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_xlabel(f"compression ({_counts(batches)} batches per point)")


def _recovered(batches: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return the mean share of recovered images, by the attack that recovers most of them."""
    table = mean_interval(batches, ["experiment", "attack", *by], "recovered")
    return table.sort_values("median").drop_duplicates(by, keep="last").sort_values(by)


def _accuracy(axes: Axes, trained: pd.Series, **line: Any) -> None:
    half = 1.96 * np.sqrt(trained * (1 - trained) / TESTED)
    options = {"color": "black", "marker": "D", **line}
    axes.errorbar(trained.index, trained, half, capsize=2, label="test accuracy", **options)


def _counts(batches: pd.DataFrame) -> str:
    """Return how many batches a point has."""
    sizes = batches.groupby(["experiment", "job"]).size()
    ends = dict.fromkeys((int(sizes.min()), int(sizes.max())))
    return " to ".join(map(str, ends))
