"""GIFD and the attacks that it is compared with, against the batch size.

Means over batches of the mean over images, with their standard error; lower is better for LPIPS.
Dashed: without a generator. The table of the same name says what each is given and how long it
runs.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics import related

EXPERIMENTS = related.EXPERIMENTS

COLOURS = {
    "geiping": style.GREY,
    "gradinversion": "#000000",
    "ggl": "#CC79A7",
    "latent_search": "#E69F00",
    "gias": style.GREEN,
    "gifd": style.BLUE,
    "gifd_counted_labels": "#56B4E9",
}


def draw(results: pd.DataFrame) -> Figure:
    """Draw PSNR and LPIPS against b."""
    cells = related.compared(results)
    figure = style.new_figure(3.4)
    panels = figure.subplots(1, 2)
    for axes, measure, label in zip(panels, ("psnr", "lpips"), ("PSNR [dB]", "LPIPS"), strict=True):
        _panel(axes, cells, measure)
        axes.set_xlabel("batch size b")
        axes.set_ylabel(label)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8)
    return figure


def _panel(axes: Axes, cells: dict[tuple[int, str], pd.DataFrame], measure: str) -> None:
    sizes = sorted({b for b, _ in cells})
    for attack, name in related.ATTACKS.items():
        here = [b for b in sizes if (b, attack) in cells]
        if not here:
            continue
        values = [cells[b, attack][measure] for b in here]
        errors = [float(each.std()) / len(each) ** 0.5 if len(each) > 1 else 0.0 for each in values]
        axes.errorbar(
            [sizes.index(b) for b in here],
            [float(each.mean()) for each in values],
            errors,
            marker="o",
            linestyle="-" if attack in related.WITH_GENERATOR else "--",
            color=COLOURS[attack],
            label=name,
            capsize=2,
        )
    axes.set_xticks(range(len(sizes)), [str(b) for b in sizes])
