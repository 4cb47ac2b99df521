"""The smallest noise that stops the attack, as a search by Optuna finds it. Not in the paper.

Each point is a trial of the search, the mean over its batches. An attack counts as stopped if at
most 5 % of the pictures have 20 dB or more; the search has most trials near this limit. DP-SGD with
C = 1 and noise on every entry of the mean gradient; |g| is the median magnitude of the undefended
gradient of the attacked layer. Least squares: the PSNR if dL/dZ were known.
"""

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.render import style

EXPERIMENTS = ("defense_search",)
NOISE = "defense.noise_std"


def draw(results: pd.DataFrame) -> Figure:
    """Draw the share of recovered pictures and the PSNR against the noise."""
    trials = results.groupby(NOISE, as_index=False)[["recovered", "psnr", "psnr_bound"]].mean()
    at_most = float(results["objective.at_most"].iloc[0])
    figure = style.new_figure(3.6)
    share, psnr = figure.subplots(1, 2)
    colour = style.COLOURS["spear_irls"]
    share.plot(trials[NOISE], trials["recovered"], "o", color=colour)
    share.axhline(at_most, color=style.GREY, linestyle=":", label=f"stopped: {at_most:.0%} or less")
    share.set_ylabel("share of pictures with 20 dB or more")
    style.per_cent(share)
    psnr.plot(trials[NOISE], trials["psnr"], "o", color=colour, label=style.NAMES["spear_irls"])
    psnr.plot(trials[NOISE], trials["psnr_bound"], "--", color=style.GREY, label="least squares")
    psnr.set_ylabel("PSNR [dB]")
    least, ratio = smallest(results)
    for axes in (share, psnr):
        axes.set_xscale("log")
        axes.set_xlabel(f"noise $\\sigma$ ({results[NOISE].nunique()} trials, b = 20, m = 200)")
        found = f"$\\sigma$ = {least:.2g}, {ratio:.2g} |g|"
        axes.axvline(least, color=style.COLOURS["spear"], linewidth=1, label=found)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8)
    return figure


def smallest(results: pd.DataFrame) -> tuple[float, float]:
    """Return the smallest noise of all trials that stops the attack, and its ratio to |g|.

    Both are NaN if none stops it.
    """
    trials = results.groupby(NOISE)["recovered"].mean()
    least = float(trials[trials <= results["objective.at_most"].iloc[0]].index.min())
    return least, least / float(results["gradient_median"].median())
