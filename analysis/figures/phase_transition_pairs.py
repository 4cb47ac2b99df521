"""Share of exact batches over b and m: of the descent on one layer, and of two layers' gradients.

A layer pair has a limit by its counts of equations and unknowns (docs/theory/layer-pairs.md). It
is drawn in: b <= (m + 1) / 2 before a wide next layer; before K classes b <= m - K + 1 for ReLU, by
two regressions, and b <= (m - K + 3) / 2 for GELU.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from spear.analysis.figures.phase_transition import FULL_RANK, IMPOSSIBLE, draw_map
from spear.analysis.render import style
from spear.analysis.render.methods import OURS

EXPERIMENTS = ("phase_transition", "phase_transition_pairs")

CLASSES = 10

LIMITS: dict[tuple[str, int], tuple[str, Callable[[int], float]]] = {
    ("relu", 6): ("ReLU before a wide layer", lambda m: (m + 1) / 2),
    ("gelu", 6): ("GELU before a wide layer", lambda m: (m + 1) / 2),
    ("relu", 2): ("ReLU before 10 classes", lambda m: m - CLASSES + 1),
    ("gelu", 2): ("GELU before 10 classes", lambda m: (m - CLASSES + 3) / 2),
}
"""Activation and depth -> title of its map, and the largest b that a count allows at a width."""


def draw(results: pd.DataFrame) -> Figure:
    """Draw a map of the descent, and one for each activation and next layer of the pair."""
    pairs = results[results["attack"] == "spear_network"]
    sizes = [sorted(pairs[each].unique()) for each in ("batch_size", "network.width")]
    figure = style.new_figure(6.4)
    panels = figure.subplots(2, 3, sharey=True)
    image = draw_map(panels[0, 0], _descent(results, sizes[0]), *sizes)
    panels[0, 0].set_title(f"ReLU, one layer: {OURS}")
    for axes, ((activation, depth), (title, limit)) in zip(
        (*panels[0, 1:], *panels[1, 1:]), LIMITS.items(), strict=True
    ):
        chosen = pairs["network.activation"].eq(activation) & pairs["network.depth"].eq(depth)
        draw_map(axes, pairs[chosen], *sizes)
        axes.set_title(title)
        _limit(axes, sizes, limit)
    panels[1, 0].set_axis_off()
    handles = [panels[1, 1].lines[0], Rectangle((0, 0), 1, 1, **IMPOSSIBLE)]
    figure.legend(handles, ["limit by count", FULL_RANK], loc="outside upper center")
    for axes in (panels[0, 0], panels[1, 1]):
        axes.set_ylabel("batch size b")
    for axes in (panels[0, 0], *panels[1, 1:]):
        axes.set_xlabel("neurons of the layer m")
    figure.colorbar(image, ax=panels, label="batches exact", format=PercentFormatter(1), aspect=40)
    return figure


def _descent(results: pd.DataFrame, b: list[int]) -> pd.DataFrame:
    """Return the descent's batches at initialisation, with normalised inputs, at these sizes."""
    alone = results[results["attack"] == "spear_irls"]
    return alone[
        alone["network.steps"].eq(0)
        & alone["dataset.normalize"].eq(True)
        & alone["batch_size"].isin(b)
    ]


def _limit(axes: Axes, sizes: list[list[int]], limit: Callable[[int], float]) -> None:
    """Draw a limit on b as a bar in each column, if it is within the map."""
    batch_sizes, widths = sizes
    for column, m in enumerate(widths):
        within = sum(b <= limit(m) for b in batch_sizes)
        at = within - 0.5 if within < len(batch_sizes) else np.nan
        axes.plot([column - 0.5, column + 0.5], [at, at], color=style.VERMILION, linewidth=2)
