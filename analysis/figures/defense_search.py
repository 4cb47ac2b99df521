"""The smallest noise that stops the attack, as a search by Optuna finds it. Not in the paper.

Each point is a trial of the search, the mean over its batches. An attack counts as stopped if at
most 5 % of the images have 20 dB or more; the search has most trials near this limit. DP-SGD with
C = 1 and noise on every entry of the mean gradient; |g| is the median magnitude of the undefended
gradient of the attacked layer. Least squares: the PSNR if dL/dZ were known; it is no bound in
strong noise, where the descent's PSNR lies above it.
"""

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.measures import half_width

EXPERIMENTS = ("defense_search",)
NOISE = "defense.noise_std"


def draw(results: pd.DataFrame) -> Figure:
    """Draw the share of recovered images and the PSNR against the noise, with 95 % intervals."""
    at_most = float(results["objective.at_most"].iloc[0])
    figure = style.new_figure(3.7)
    share, psnr = figure.subplots(1, 2)
    for axes, column in ((share, "recovered"), (psnr, "psnr")):
        groups = results.groupby(NOISE)[column]
        mean, half = groups.mean(), groups.apply(half_width)
        within = [half.clip(upper=mean), half.clip(upper=1 - mean)]  # a share stays in [0, 1]
        axes.errorbar(
            mean.index, mean, within if axes is share else half, fmt="o", capsize=2, elinewidth=0.8,
            color=style.COLOURS["spear_irls"], label=style.NAMES["spear_irls"],
        )  # fmt: skip
    share.axhline(at_most, color=style.GREY, linestyle=":", label=f"stopped: {at_most:.0%} or less")
    share.set_ylabel("share of images with 20 dB or more")
    style.per_cent(share)
    squares = results.groupby(NOISE)["psnr_bound"].mean()
    psnr.plot(squares.index, squares, "--", color=style.GREY, label="least squares")
    psnr.set_ylabel("PSNR [dB]")
    least, ratio = smallest(results)
    for axes in (share, psnr):
        axes.set_xscale("log")
        axes.set_xlabel(f"noise $\\sigma$ ({results[NOISE].nunique()} trials, b = 20, m = 200)")
        found = f"least that stops: $\\sigma$ = {least:.2g}, {ratio:.2g} |g|"
        axes.axvline(least, color=style.COLOURS["spear"], linewidth=1, label=found)
    style.note(psnr, f"{style.counted(results.groupby(NOISE).size())} batches per trial", y=0.9)
    legend = {
        label: handle
        for axes in (share, psnr)
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend([*legend.values()], [*legend], loc="outside upper center", ncols=4, fontsize=8)
    return figure


def smallest(results: pd.DataFrame) -> tuple[float, float]:
    """Return the smallest noise of all trials that stops the attack, and its ratio to |g|.

    Both are NaN if none stops it.
    """
    trials = results.groupby(NOISE)["recovered"].mean()
    least = float(trials[trials <= results["objective.at_most"].iloc[0]].index.min())
    return least, least / float(results["gradient_median"].median())
