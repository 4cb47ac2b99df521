"""GELU and SiLU beside ReLU on 100 batches of 20, m = 200, from the gradients of two layers.

Exact: all directions right by the truth; seconds: median (10th to 90th percentile); ratio: of the
median to the one of ReLU before the same next layer.
"""

from typing import Any

import pandas as pd

from spear.analysis.statistics.measures import with_deviation, with_range
from spear.analysis.tables.activations import NEXT

EXPERIMENTS = ("activations_b20",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind of next layer and activation, ReLU first."""
    rows = []
    by = ["network.depth", "network.activation"]
    medians = results.groupby(by)["seconds"].median()
    ordered = sorted(results.groupby(by), key=_place)
    for (depth, activation), batches in ordered:
        relu = medians.get((depth, "relu"), float("nan"))
        rows.append(
            {
                "next layer": NEXT[int(str(depth))],
                "activation": activation,
                "exact": f"{batches['exact'].sum()}/{len(batches)}",
                "PSNR [dB]": with_deviation(batches["psnr"]),
                "seconds": with_range(batches["seconds"]),
                "ratio": f"{batches['seconds'].median() / relu:.2f}",
            }
        )
    return pd.DataFrame(rows)


def _place(group: tuple[Any, pd.DataFrame]) -> tuple[int, bool, str]:
    """A wide next layer before the classifier, and ReLU before what stands beside it."""
    depth, activation = group[0]
    return list(NEXT).index(depth), activation != "relu", activation
