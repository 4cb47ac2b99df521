"""Table 10: FedAvg by local epochs E, Tiny ImageNet, b = 20, full batches, eta = 0.01.

Stars are the paper's values; it gives no intervals. Bound: least squares if dL/dZ were known, on
the batches of ours. The row with mini-batches of 5 is in the table alone.
"""

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.paper.comparison import cells, mean, share
from spear.analysis.paper.curves import draw_curves
from spear.analysis.paper.defended import TABLE10, with_mini_batch

EXPERIMENTS = ("table10",)
FULL = "20"
"""Mini-batch of the rows shown, the whole batch."""


def draw(results: pd.DataFrame) -> Figure:
    """Draw PSNR and accuracy against the number of local epochs."""
    compared = {"psnr": mean("psnr"), "accuracy": share("exact")}
    found = cells("table10", with_mini_batch(results), TABLE10, compared)
    full = [each for each in found if each.keys["mini_batch"] == FULL]
    return draw_curves(full, "E", "local epochs E")
