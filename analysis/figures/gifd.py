"""GIFD, the search over latents alone and gradient matching, picture by picture.

Each dot is a picture; lines join the three attacks on the same one; bars are means. The table of
the same name has iterations and intervals.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.paired import ATTACKS, DEFENSES, PICTURES, settings

EXPERIMENTS = ("gifd", "gifd_out_of_distribution", "gifd_defenses")

COLOURS = {"geiping": style.GREY, "latent_search": "#E69F00", "gifd": style.BLUE}


def draw(results: pd.DataFrame) -> Figure:
    """Draw a panel for each data set and defense."""
    panels = settings(results)
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = style.new_figure(2.3 * rows + 0.4)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    for axes, ((dataset, defense), cell) in zip(grid, panels.items(), strict=False):
        _panel(axes, cell)
        axes.set_title(f"{PICTURES[dataset]}, {DEFENSES[defense]}", fontsize=9)
    for axes in grid[len(panels) :]:
        axes.axis("off")
    for axes in grid[::columns]:
        axes.set_ylabel("PSNR [dB]")
    return figure


def _panel(axes: Axes, cell: pd.DataFrame) -> None:
    least = cell["attack.iterations"].min()
    cell = cell[cell["attack.iterations"] == least]
    psnr = cell.reset_index().pivot(index="batch", columns="attack", values="psnr")[list(ATTACKS)]
    for _, picture in psnr.iterrows():
        axes.plot(range(len(ATTACKS)), picture, color="#cccccc", linewidth=0.6, zorder=1)
    for place, attack in enumerate(ATTACKS):
        axes.scatter([place] * len(psnr), psnr[attack], s=10, color=COLOURS[attack], zorder=2)
        mean = psnr[attack].mean()
        axes.plot([place - 0.25, place + 0.25], [mean, mean], color=COLOURS[attack], linewidth=2)
        axes.annotate(
            f"{mean:.1f}", (place + 0.28, mean), fontsize=7.5, va="center", color=COLOURS[attack],
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        )  # fmt: skip
    names = [name.replace(" ", "\n", 1) for name in ATTACKS.values()]
    axes.set_xticks(range(len(ATTACKS)), names, fontsize=8)
    axes.set_xlim(-0.5, len(ATTACKS) - 0.3)
    axes.grid(visible=False, axis="x")
