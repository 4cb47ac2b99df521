"""Table 9: DP-SGD by clipping norm C and noise sigma, Tiny ImageNet, b = 20, as maps.

Above the mean PSNR in dB, of the paper, of the descent and of least squares if dL/dZ were known
(bound). Below the share of batches with all directions right, and, more strictly, with 20 dB or
more in every image. The noise, of deviation sigma C, is on each example's clipped gradient.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter

from spear.analysis.paper.comparison import Cell, cells, mean, share
from spear.analysis.paper.defended import TABLE9, of_table9
from spear.analysis.render import style
from spear.analysis.render.methods import OURS
from spear.analysis.statistics.measures import half_width

EXPERIMENTS = ("table9_noise_per_example", "table9")  # the latter without noise
ALSO = ("table9_to_the_letter", "table9_sampling", "table9_geiping")

DECIBELS = (15.0, 55.0)
"""PSNR of the darkest and of the brightest colour; without noise it is 118 dB and more."""


def draw(results: pd.DataFrame) -> Figure:
    """Draw maps over C (columns) and sigma (rows): the paper, ours, and what bounds ours."""
    compared = {"psnr": mean("psnr"), "accuracy": share("near")}
    found = [
        each for each in cells("table9", of_table9(results), TABLE9, compared) if each.of_spear
    ]
    figure = style.new_figure(5.4)
    grid = figure.subplots(2, 3, sharex=True, sharey=True)
    psnr = [each for each in found if each.column == "psnr"]
    accuracy = [each for each in found if each.column == "accuracy"]
    image = _row(grid[0], DECIBELS, ".1f", {
        "PSNR, the paper": _by_cell(psnr, lambda each: each.paper),
        f"PSNR, {OURS}": _by_cell(psnr, lambda each: each.value(each.ours)),
        "PSNR, bound": _by_cell(psnr, lambda each: each.ours["psnr_bound"].mean()),
    })  # fmt: skip
    figure.colorbar(image, ax=grid[0], label="dB", extend="both", aspect=18)
    image = _row(grid[1], (0.0, 1.0), ".0%", {
        "all directions, the paper": _by_cell(accuracy, lambda each: each.paper / 100),
        f"all directions, {OURS}": _by_cell(accuracy, lambda each: each.value(each.ours) / 100),
        "20 dB in all pictures, ours": _by_cell(accuracy, _strictly),
    })  # fmt: skip
    figure.colorbar(
        image, ax=grid[1], label="batches", format=PercentFormatter(1), aspect=18
    )  # fmt: skip
    for axes in grid[-1]:
        axes.set_xlabel("clipping norm C")
    for axes in grid[:, 0]:
        axes.set_ylabel("noise sigma")
    figure.suptitle(_intervals(psnr), fontsize=8, color=style.GREY)
    return figure


def _row(
    panels: np.ndarray, limits: tuple[float, float], form: str, maps: dict[str, pd.DataFrame]
) -> AxesImage:
    axes: Axes
    for axes, (title, values) in zip(panels, maps.items(), strict=True):
        texts = values.map(f"{{:{form}}}".format).to_numpy().tolist()
        image = style.value_map(axes, values, texts, limits)
        axes.set_title(title, fontsize=9)
    return image


def _by_cell(found: Sequence[Cell], value: Callable[[Cell], float]) -> pd.DataFrame:
    """Return a value of each cell, by sigma (rows, the least first) and C (columns)."""
    table = pd.DataFrame(
        {"sigma": float(each.keys["sigma"]), "C": float(each.keys["C"]), "value": value(each)}
        for each in found
    ).pivot(index="sigma", columns="C", values="value")
    return table.rename(index=_short, columns="{:g}".format)


def _short(sigma: float) -> str:
    return f"{sigma:.0e}".replace("e-0", "e-") if sigma else "0"


def _strictly(cell: Cell) -> float:
    return float((cell.ours["recovered"] == 1.0).mean()) if len(cell.ours) else float("nan")


def _intervals(psnr: Sequence[Cell]) -> str:
    """Return the number of batches of ours and their widest 95 % intervals, in words."""
    ours = [each.ours for each in psnr if len(each.ours)]
    if not ours:
        return ""
    sizes = pd.Series([len(each) for each in ours])
    widest = max(half_width(each["psnr"]) for each in ours)
    return (
        f"{OURS}: {style.counted(sizes)} batches per cell, 95 % intervals of the mean PSNR within "
        f"± {widest:.1f} dB; the paper gives no intervals"
    )
