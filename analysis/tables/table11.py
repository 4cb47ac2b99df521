"""Table 11: FedAvg by local learning rate eta, Tiny ImageNet, b = 20, 5 epochs of full batches.

PSNR in dB, mean ± standard deviation over batches; bound: least squares had dL/dZ been known;
accuracy: batches with all directions right; seconds: median.
"""

import pandas as pd

from spear.analysis.paper.comparison import beside, mean, share

EXPERIMENTS = ("table11",)
KEYS = {"eta": "fedavg.learning_rate"}
COMPARED = {"psnr": mean("psnr"), "accuracy": share("exact")}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each of the paper's."""
    return beside(results, KEYS, "table11")
