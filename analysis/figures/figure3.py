"""Figure 3: probability that SPEAR fails even if it looks at every submatrix (Lemma 5.3)."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.inversion.sampling.lemmas import p_fail_approximation, p_fail_bound

EXPERIMENTS = ()

BATCH_SIZES = (5, 10, 20, 40, 80)
WIDTHS = range(10, 401, 2)
P_FALSE_REJECT = 1e-9


def draw(results: pd.DataFrame) -> Figure:
    """Draw upper bound (dashed) and approximation (solid) against m; a colour per batch size."""
    figure = style.new_figure(3.6)
    axes = figure.subplots()
    colours = colormaps["viridis"](np.linspace(0.0, 0.85, len(BATCH_SIZES)))
    for b, colour in zip(BATCH_SIZES, colours, strict=True):
        m = [each for each in WIDTHS if each >= b]
        bound = [p_fail_bound(b, each, P_FALSE_REJECT) for each in m]
        close = [p_fail_approximation(b, each, P_FALSE_REJECT) for each in m]
        axes.plot(m, bound, "--", color=colour)
        axes.plot(m, close, color=colour, label=f"b = {b}")
    axes.plot([], [], color=style.GREY, label="approximation")
    axes.plot([], [], "--", color=style.GREY, label="upper bound")
    axes.set_yscale("log")
    axes.set_ylim(1e-9, 3)
    axes.set_xlabel("network width m")
    axes.set_ylabel(r"failure probability ($p_{fr} = 10^{-9}$)")
    axes.legend(ncols=2, loc="upper right")
    return figure
