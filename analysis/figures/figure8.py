"""Figure 8: the share of batches that no search inverts, beside Lemma 5.3.

An exhaustive search takes a direction from any b - 1 zero rows of full rank. The descent wants one
row more, which confirms the direction, and so needs a slightly wider layer. The lemma assumes
independent zeros; those of real inputs are not, so that failures may exceed its bound by a few
points.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.paper.said import P_FALSE_REJECT
from spear.analysis.render import style
from spear.analysis.statistics.measures import exact_interval
from spear.inversion.sampling.lemmas import p_fail_approximation, p_fail_bound

EXPERIMENTS = ("figure8",)


def draw(results: pd.DataFrame) -> Figure:
    """Draw failures of an exhaustive search (95 % Clopper-Pearson) and theory, by batch size."""
    sizes = sorted(results["batch_size"].unique())
    figure = style.new_figure(3.2)
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for axes, b in zip(panels, sizes, strict=True):
        batches = results[results["batch_size"] == b]
        _theory(axes, int(b), batches["network.width"])
        _curve(axes, failures(batches, batches["findable"] < b), style.COLOURS["spear"],
               "s", "exhaustive search")  # fmt: skip
        _curve(axes, failures(batches, ~batches["exact"]), style.COLOURS["spear_irls"],
               "o", style.NAMES["spear_irls"])  # fmt: skip
        axes.set_title(f"b = {b}")
        axes.set_xlabel("network width m")
        sizes = batches.groupby("network.width").size()
        style.note(axes, f"{style.counted(sizes)}\n95 % intervals", y=0.55)
    panels[0].set_ylabel("failure probability")
    panels[0].set_ylim(-0.03, 1.03)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def failures(batches: pd.DataFrame, failed: pd.Series) -> pd.DataFrame:
    """Return the share of failed batches and its 95 % Clopper-Pearson interval, by width."""
    table = exact_interval(batches.assign(exact=failed), "network.width")
    return table.rename(columns={"network.width": "width", "share": "median"})


def _curve(axes: Axes, table: pd.DataFrame, colour: str, marker: str, label: str) -> None:
    style.banded(axes, table["width"], table, colour, marker, label)


def _theory(axes: Axes, b: int, widths: pd.Series) -> None:
    m = np.arange(widths.min(), widths.max() + 1)
    bound = [p_fail_bound(b, int(each), P_FALSE_REJECT) for each in m]
    close = [p_fail_approximation(b, int(each), P_FALSE_REJECT) for each in m]
    axes.plot(m, bound, "--", color=style.GREY, label="upper bound (Lemma 5.3)")
    axes.plot(m, close, color=style.GREY, label="approximation")
