"""Table 10: FedAvg by local epochs E and mini-batch size, Tiny ImageNet, b = 20, eta = 0.01.

PSNR in dB, mean ± standard deviation over batches; bound: least squares had dL/dZ been known;
accuracy: batches with all directions right; seconds: median.
"""

import pandas as pd

from spear.analysis.paper.comparison import beside, mean, share

EXPERIMENTS = ("table10", "table10_minibatches")
KEYS = {"E": "fedavg.epochs", "mini_batch": "mini_batch"}
COMPARED = {"psnr": mean("psnr"), "accuracy": share("exact")}


def prepared(results: pd.DataFrame) -> pd.DataFrame:
    """A full batch is a mini-batch of all."""
    full = results["fedavg.batch_size"].fillna(results["batch_size"])
    return results.assign(mini_batch=full)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each of the paper's."""
    return beside(prepared(results), KEYS, "table10")
