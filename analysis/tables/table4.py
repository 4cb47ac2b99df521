"""Table 4: the attacked layer, Tiny ImageNet, b = 20, m = 400.

MAE on the layer's inputs, mean over batches; accuracy: batches with all directions right; time:
median, with its hardware. Algorithm 1 had 20 s per batch. At layer 5 it was not run: one submatrix
in 8e11 to 2e14 gives the rarest column of a batch (`benchmarks.rarest_column`, 5 batches), which
does not fit the paper's 83 % with N = 2e9.
"""

import pandas as pd

from spear.analysis.paper.columns import three_columns
from spear.analysis.paper.comparison import mean, seconds, share

EXPERIMENTS = ("table4",)
KEYS = {"layer": "attack.layer"}
COMPARED = {
    "mae": mean(
        "mae",
        "MAE",
        higher_is_better=False,
        text=lambda values: f"{values.mean():.2e}",
        form=".2e",
    ),
    "accuracy": share("exact"),
    "seconds": seconds(),
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure of each layer."""
    return three_columns("table4", results, KEYS, COMPARED)
