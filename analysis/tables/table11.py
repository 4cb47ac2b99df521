"""Table 11: FedAvg by local learning rate eta, Tiny ImageNet, b = 20, 5 epochs of full batches.

PSNR in dB, mean ± standard deviation over batches; bound: least squares if dL/dZ were known, on the
batches of ours; accuracy: batches with all directions right; time: median, with its hardware.
"As App. F has it" and "noisy mode": see `table10`.
"""

import pandas as pd

from spear.analysis.paper.columns import bound, three_columns
from spear.analysis.paper.comparison import mean, seconds, share
from spear.analysis.paper.defended import TABLE11 as KEYS
from spear.analysis.statistics.measures import with_deviation

EXPERIMENTS = ("table11",)
ALSO = ("table11_by_appendix_f", "table11_sampling")
COMPARED = {
    "psnr": mean("psnr", text=with_deviation),
    "accuracy": share("exact"),
    "seconds": seconds(),
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure of each row of the paper's table."""
    return three_columns("table11", results, KEYS, COMPARED, more={"bound": bound})
