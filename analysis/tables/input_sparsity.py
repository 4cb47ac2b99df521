"""Input sparsity (Sec. 3.2): the last layer's inputs, Tiny ImageNet, m = 200 hidden neurons.

The paper has no figures for it. Exact: batches proven right; found: inputs found, mean; MAE on the
layer's inputs, mean over batches; seconds: median on one thread.
"""

import pandas as pd

from spear.analysis.statistics.measures import duration, proven

EXPERIMENTS = ("input_sparsity",)

NETWORKS = {"fcnn": "at initialisation", "trained": "trained"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each network, depth and b."""
    rows = []
    for _, batches in results.groupby(["network", "network.depth", "batch_size"]):
        job = batches.iloc[0]
        rows.append(
            {
                "network": NETWORKS[job["network"]],
                "L": str(job["network.depth"]),
                "b": str(job["batch_size"]),
                "exact": f"{proven(batches).sum()}/{len(batches)}",
                "found": f"{batches['details.found'].mean():.1f}",
                "MAE": f"{batches['mae'].mean():.2e}",
                "seconds": duration(float(batches["seconds"].median())),
            }
        )
    return pd.DataFrame(rows)
