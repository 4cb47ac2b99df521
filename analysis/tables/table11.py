"""Table 11: FedAvg by local learning rate eta, Tiny ImageNet, b = 20, 5 epochs of full batches.

PSNR in dB, mean ± standard deviation over batches; accuracy: batches of which each picture has at
least 20 dB; seconds: median.
"""

import pandas as pd

from analysis.reproduction import beside

EXPERIMENTS = ("table11",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each of the paper's."""
    return beside(results, {"eta": "fedavg.learning_rate"}, "table11")
