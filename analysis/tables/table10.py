"""Table 10: FedAvg by local epochs E and mini-batch size, Tiny ImageNet, b = 20, eta = 0.01.

PSNR in dB, mean ± standard deviation over batches; accuracy: batches of which each picture has at
least 20 dB; seconds: median.
"""

import pandas as pd

from analysis.reproduction import beside

EXPERIMENTS = ("table10", "table10_minibatches")


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each of the paper's."""
    full = results["fedavg.batch_size"].fillna(results["batch_size"])
    keys = {"E": "fedavg.epochs", "mini_batch": "mini_batch"}
    return beside(results.assign(mini_batch=full), keys, "table10")
