"""Share of recovered samples over the batch size, by ours and by other exact attacks, m = 1000.

One hidden ReLU layer at PyTorch's initialisation, CIFAR-10, float64 clients. A sample counts if it
lies within a distance of 0.01 in pixels; hollow points: not one batch is whole.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spear.analysis.render import style
from spear.analysis.statistics.rivals import NAMES, attacks, samples

EXPERIMENTS = ("rivals_wide", "rivals_dictionary")

LOOKS = {
    "spear_irls": (style.BLUE, "o"),
    "lt_peeling": ("#D55E00", "s"),
    "neuron_exclusivity": ("#CC79A7", "^"),
    "dictionary_learning": (style.GREEN, "D"),
    "dictionary_learning_l1": ("#E69F00", "v"),
}
"""Attack -> colour and marker."""


def draw(results: pd.DataFrame) -> Figure:
    """Draw a panel for normalised inputs and one for pixels."""
    figure = style.new_figure(3.4)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, normalize in zip(panels, (True, False), strict=True):
        own = results[results["dataset.normalize"].astype(bool) == normalize]
        for attack in attacks(own):
            _line(axes, own[own["attack"] == attack], attack)
        axes.set_title("normalised inputs" if normalize else "pixels in [0, 1]")
        axes.set_xlabel("batch size b (m = 1000)")
        style.note(axes, style.counted(own.groupby(["attack", "batch_size"]).size()), y=0.9)
    style.per_cent(panels[0])
    panels[0].set_ylabel("samples recovered")
    drawn = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(drawn.values(), drawn.keys(), loc="outside upper center", ncols=3)
    return figure


def _line(axes: Axes, batches: pd.DataFrame, attack: str) -> None:
    shown = batches.assign(samples=samples(batches)).groupby("batch_size")
    share, whole = shown["samples"].mean(), shown["exact"].any()
    colour, marker = LOOKS.get(attack, (style.GREY, "x"))
    axes.plot(share.index, share, color=colour, marker=marker, label=NAMES[attack])
    hollow = share[~whole]
    axes.plot(hollow.index, hollow, marker, color=colour, mfc="white")
