"""Table 4 after training (Sec. 6.2): layer 5 after 5,000 gradient steps, Tiny ImageNet, m = 400.

The paper: more than 95 % in less than a minute per batch, after 83 % in 70 min at initialisation.
MAE on the layer's inputs, mean over batches; accuracy: batches with all directions right; time:
median, with its hardware. The network was trained on the split that is attacked.
"""

from dataclasses import replace

import pandas as pd

from spear.analysis.paper.columns import three_columns
from spear.analysis.paper.comparison import mean, seconds, share
from spear.analysis.statistics.measures import duration

EXPERIMENTS = ("table4_trained",)
KEYS = {"layer": "attack.layer"}
COMPARED = {
    "accuracy": replace(share("exact"), paper=lambda paper, _: f"> {paper:g} %"),
    "in_a_minute": replace(  # a time on other hardware: no verdict
        share("in_a_minute", "batches in a minute"), sign=None
    ),
    "seconds": seconds(),
    "slowest": replace(
        seconds(),
        title="slowest batch",
        value=lambda batches: float(batches["seconds"].max()),
        text=lambda batches: duration(float(batches["seconds"].max())),
    ),
    "mae": mean("mae", "MAE", text=lambda values: f"{values.mean():.2e}", judged=False),
}


def prepared(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches with a column that is true if they took less than a minute."""
    return results.assign(in_a_minute=results["seconds"] < 60)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure of the only layer."""
    return three_columns("table4_trained", prepared(results), KEYS, COMPARED)
