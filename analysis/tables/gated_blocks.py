"""Hidden states and text of decoders with gated blocks: batches proven, and what was found.

Proven: batches that are called exact by their gradient, and are. States: token positions with a
gradient whose hidden state is found to 1e-3, the mean over batches, and the largest error of these.
"""

import pandas as pd

from spear.analysis.render.language import percent
from spear.analysis.statistics.measures import proven

EXPERIMENTS = ("gated_blocks",)

GATES = {"silu": "SwiGLU", "gelu": "GEGLU"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each gate and deviation of the weights, a column for each b."""
    rows = []
    for (gate, spread), chosen in results.groupby(["network.gate", "network.spread"], sort=False):
        row = {"block": GATES[str(gate)], "deviation of weights": f"{spread:g}"}
        for b, batches in chosen.groupby("batch_size"):
            row[f"b = {b}"] = (
                f"{proven(batches).sum()}/{len(batches)}, "
                f"states {percent(batches['positions_exact'])} %, "
                f"error {batches['state_error'].max():.0e}, "
                f"{batches['seconds'].median():.1f} s"
            )
        rows.append(row)
    return pd.DataFrame(rows).fillna("")
