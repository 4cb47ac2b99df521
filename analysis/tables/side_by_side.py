"""Algorithm 1 with both samplers and the descent (ours), on the same batches.

Median seconds per batch, their ratio to the descent's, and exact batches. "extrapolated": most
batches ran into the time limit, so that the seconds are the measured seconds per submatrix times
the submatrices that sampling by information sets needed, over 2 b / (b + 1), since independent ones
are not met in clusters (docs/theory/sampling.md).
"""

import pandas as pd

from spear.analysis.render.methods import OURS
from spear.analysis.statistics.extrapolation import ATTACKS, ratios, times
from spear.analysis.statistics.measures import duration
from spear.analysis.statistics.measures import times as ratio_text

EXPERIMENTS = ("side_by_side",)

NAMES = {
    "spear_irls": OURS,
    "spear": "Algorithm 1, information sets",
    "spear_svd": "Algorithm 1, one SVD each",
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each batch size."""
    measured = times(results).set_index(["batch_size", "attack"])
    ratio = ratios(measured.reset_index())
    rows = []
    for b in ratio.index:
        row = {"b": str(b)}
        for attack in ATTACKS:
            each = measured.loc[(b, attack)]
            exact = f"{each['n_exact']}/{each['n']}"
            shown = "extrapolated" if each["extrapolated"] else exact
            of = "" if attack == "spear_irls" else f"{ratio_text(ratio.loc[b, attack])}, "
            row[NAMES[attack]] = f"{duration(each['median'])} ({of}{shown})"
        rows.append(row)
    return pd.DataFrame(rows)
