"""Table 11: FedAvg by local learning rate eta, Tiny ImageNet, b = 20, 5 epochs of full batches.

Stars are the paper's values; it gives no intervals. Bound: least squares if dL/dZ were known, on
the batches of ours.
"""

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.paper.comparison import cells, mean, share
from spear.analysis.paper.curves import draw_curves
from spear.analysis.paper.defended import TABLE11

EXPERIMENTS = ("table11",)


def draw(results: pd.DataFrame) -> Figure:
    """Draw PSNR and accuracy against the local learning rate."""
    compared = {"psnr": mean("psnr"), "accuracy": share("exact")}
    found = list(cells("table11", results, TABLE11, compared))
    found.sort(key=lambda each: float(each.keys["eta"]))
    return draw_curves(found, "eta", "local learning rate eta")
