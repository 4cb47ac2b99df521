"""Figure 6: accuracy with and without the second stage of GreedyFilter (Sec. 4.2), against b.

Algorithm 1 with information sets, up to N submatrices per batch, m = 200. In the paper the second
stage gains more the larger b is. Here the curves coincide: each candidate is first refined on all
of its zero rows, then its zeros are counted, and one that they do not determine is left out. So no
false candidate has more zeros than a true one, and there is nothing to swap.
"""

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.measures import exact_interval

EXPERIMENTS = ("figure6", "figure6_pixels")

INPUTS = {True: "normalised inputs", False: "pixels in [0, 1]"}

STAGES: dict[bool, tuple[str, dict[str, str]]] = {
    True: ("with the second stage", {"color": style.BLUE, "marker": "o"}),
    False: (
        "without it",
        {"color": style.COLOURS["spear"], "marker": "s", "linestyle": "--", "mfc": "white"},
    ),
}


def draw(results: pd.DataFrame) -> Figure:
    """Draw shares of exact batches with 95 % intervals, a panel for each kind of inputs."""
    figure = style.new_figure(3.7)
    panels = figure.subplots(1, len(INPUTS), sharey=True)
    for axes, (normalised, title) in zip(panels, INPUTS.items(), strict=True):
        chosen = results[results["dataset.normalize"] == normalised]
        for swaps, (label, look) in STAGES.items():
            table = exact_interval(chosen[chosen["attack.swaps"] == swaps], "batch_size")
            style.shares(axes, table["batch_size"], table, label=label, **look)
        axes.set_title(title)
        axes.set_xlabel("batch size b (m = 200)")
        axes.set_xticks(sorted(chosen["batch_size"].unique()))
    style.per_cent(panels[0])
    n = exact_interval(results, ["batch_size", "dataset.normalize", "attack.swaps"])["n"]
    panels[0].set_ylabel(f"accuracy (share of {n.max()} batches exact)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure
