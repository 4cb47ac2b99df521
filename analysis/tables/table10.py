"""Table 10: FedAvg by local epochs E and mini-batch size, Tiny ImageNet, b = 20, eta = 0.01.

PSNR in dB, mean ± standard deviation over batches; bound: least squares if dL/dZ were known;
accuracy: batches with all directions right; seconds: median.
"""

import pandas as pd

from spear.analysis.paper.comparison import beside, mean, share

EXPERIMENTS = ("table10", "table10_minibatches")
KEYS = {"E": "fedavg.epochs", "mini_batch": "mini_batch"}
COMPARED = {"psnr": mean("psnr"), "accuracy": share("exact")}


def prepared(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches with the size of a mini-batch; that of a full batch is b."""
    full = results["fedavg.batch_size"].fillna(results["batch_size"])
    return results.assign(mini_batch=full)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each row of the paper's table."""
    return beside(prepared(results), KEYS, "table10")
