"""Table 11: FedAvg by local learning rate eta, Tiny ImageNet, b = 20, 5 epochs of full batches.

PSNR in dB, mean ± standard deviation over batches; bound: least squares if dL/dZ were known;
accuracy: batches with all directions right; seconds: median.
"""

import pandas as pd

from spear.analysis.paper.comparison import beside, mean, share

EXPERIMENTS = ("table11",)
KEYS = {"eta": "fedavg.learning_rate"}
COMPARED = {"psnr": mean("psnr"), "accuracy": share("exact")}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each row of the paper's table."""
    return beside(results, KEYS, "table11")
