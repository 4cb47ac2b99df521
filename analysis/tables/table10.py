"""Table 10: FedAvg by local epochs E and mini-batch size, Tiny ImageNet, b = 20, eta = 0.01.

PSNR in dB, mean ± standard deviation over batches; bound: least squares if dL/dZ were known, on the
batches of ours; accuracy: batches with all directions right; time: median, with its hardware.
Algorithm 1 had no limit of time. "as App. F has it": submatrices of b - 1 rows; "noisy mode": of
b + 1, which the paper has for added noise alone (App. E.6) and of which a hit is rarer.
"""

import pandas as pd

from spear.analysis.paper.columns import bound, three_columns
from spear.analysis.paper.comparison import mean, seconds, share
from spear.analysis.paper.defended import TABLE10 as KEYS
from spear.analysis.paper.defended import with_mini_batch as prepared
from spear.analysis.statistics.measures import with_deviation

EXPERIMENTS = ("table10", "table10_minibatches")
ALSO = (
    "table10_by_appendix_f",
    "table10_minibatches_by_appendix_f",
    "table10_sampling",
    "table10_minibatches_sampling",
)
COMPARED = {
    "psnr": mean("psnr", text=with_deviation),
    "accuracy": share("exact"),
    "seconds": seconds(),
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure of each row of the paper's table."""
    found = three_columns("table10", prepared(results), KEYS, COMPARED, more={"bound": bound})
    return found.rename(columns={"mini_batch": "mini-batch"})
