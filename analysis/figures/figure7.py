"""Figure 7: accuracy, submatrices and least column sparsity during training on MNIST, b = 10.

Algorithm 1 rejects a true column whose sparsity is below tau (Sec. 4.1), so that its accuracy is
the share of batches without such a column. The paper says that it "drops slightly" around 1,000
steps; here it drops to 0 % at 600 steps and 8 to 10 % at 1,000. The descent has no such threshold.
After 5,000 steps both miss samples of very small loss: float32 turns their direction by more than
the 1e-6 allowed (the image still comes out at 50 dB and more), or loses it altogether.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.measures import exact_interval, spread
from spear.inversion.directions.zeros import sparsity_threshold
from spear.inversion.sampling.lemmas import n_total_expected

EXPERIMENTS = ("figure7", "figure7_sampling")

SPLITS = {"train": "(a) MNIST training set", "test": "(b) MNIST test set"}

LINES = {"spear_irls": "-", "spear": ":"}
MARKS = {"spear_irls": style.GREEN, "spear": "white"}

STEPS = "network.steps"


def draw(results: pd.DataFrame) -> Figure:
    """Draw accuracy, submatrices and least sparsity below each other, a column for each split."""
    figure = style.new_figure(6.8)
    grid = figure.subplots(3, len(SPLITS), sharex=True, sharey="row")
    for column, (split, title) in zip(grid.T, SPLITS.items(), strict=True):
        chosen = results[results["dataset.split"] == split]
        sampling = chosen[chosen["attack"] == "spear"]
        _accuracy(column[0], chosen)
        _submatrices(column[1], sampling)
        _sparsity(column[2], sampling)
        column[0].set_title(title)
        column[2].set_xlabel("SGD steps")
    style.per_cent(grid[0, 0])
    grid[1, 0].set_yscale("log")
    for axes, label in zip(grid[:, 0], ("accuracy", "submatrices", "least sparsity"), strict=True):
        axes.set_ylabel(label)
    for axes in grid[:, 1]:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    return figure


def _accuracy(axes: Axes, results: pd.DataFrame) -> None:
    for attack, line in LINES.items():
        table = exact_interval(results[results["attack"] == attack], STEPS)
        name = style.NAMES[attack].replace(", ", ",\n")
        style.shares(
            axes, table[STEPS], table, color=style.GREEN, linestyle=line,
            marker=style.MARKERS[attack], mfc=MARKS[attack], label=name,
        )  # fmt: skip


def _submatrices(axes: Axes, sampling: pd.DataFrame) -> None:
    table = spread(sampling, STEPS, "submatrices")
    style.banded(axes, table[STEPS], table, style.BLUE, "s", "median, 10-90 %")
    b = int(sampling["batch_size"].iloc[0])
    independent, expected = n_total_expected(b), n_total_expected(b, per_draw=b)
    limit = sampling["attack.max_submatrices"].iloc[0]
    axes.axhline(
        independent, color=style.GREY, linestyle="--", label="expected, Lemma 5.2:\nindependent"
    )
    axes.axhline(expected, color=style.GREY, linestyle=":", label="expected,\ninformation sets")
    axes.axhline(limit, color=style.GREY, linestyle="-.", label="N, the limit")


def _sparsity(axes: Axes, sampling: pd.DataFrame) -> None:
    table = spread(sampling, STEPS, "sparsity_min")
    label = "least of a batch's\ncolumns, median,\n10-90 %"
    style.banded(axes, table[STEPS], table, style.COLOURS["spear_svd"], "^", label)
    first = sampling.iloc[0]
    tau = sparsity_threshold(int(first["network.width"]), float(first["attack.p_false_reject"]))
    axes.axhline(tau, color=style.GREY, linestyle="--", label=f"tau = {tau:.3g}")
