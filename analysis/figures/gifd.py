"""GIFD, the search over latents alone and gradient matching, image by image.

Each dot is an image; lines join the three attacks on the same one; bars and numbers are means. The
table of the same name has iterations and intervals. Clipping was not run out of distribution.
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
    rows = list(dict.fromkeys(dataset for dataset, _ in panels))
    columns = list(dict.fromkeys(defense for _, defense in panels))
    figure = style.new_figure(2.6 * len(rows) + 0.4)
    grid = figure.subplots(len(rows), len(columns), sharey=True, sharex=True, squeeze=False)
    grid[0, 0].set_ylim(results["psnr"].min() - 3.0, results["psnr"].max() + 1.5)
    for dataset, line in zip(rows, grid, strict=True):
        line[0].set_ylabel(f"{PICTURES[dataset]}\nPSNR [dB]")
        for defense, axes in zip(columns, line, strict=True):
            axes.set_title(DEFENSES[defense], fontsize=9)
            if (dataset, defense) in panels:
                _panel(axes, panels[dataset, defense])
            else:
                axes.axis("off")
                axes.text(
                    0.5, 0.5, "not run", transform=axes.transAxes, ha="center", color=style.GREY
                )
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
            f"{mean:.1f}", (place, 0.02), fontsize=7.5, va="bottom", ha="center",
            xycoords=axes.get_xaxis_transform(),
            color=COLOURS[attack],
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        )  # fmt: skip
    axes.set_xticks(range(len(ATTACKS)), [*ATTACKS.values()], fontsize=7.5, rotation=90)
    axes.set_xlim(-0.5, len(ATTACKS) - 0.5)
    style.note(axes, f"n = {len(psnr)}", x=0.4, y=0.9)
    axes.grid(visible=False, axis="x")
