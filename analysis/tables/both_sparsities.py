"""Middle layers, both of whose factors are sparse (Sec. 3.2): Tiny ImageNet, b = 20, m = 400.

Each sparsity alone on the same batches. Exact: batches proven right; MAE on the layer's inputs,
mean over batches; seconds: median on one thread.
"""

import pandas as pd

from spear.analysis.statistics.measures import duration, proven

EXPERIMENTS = ("both_sparsities",)

SPARSITIES = {"spear_irls": "gradient", "spear_input": "inputs"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each layer and sparsity."""
    rows = []
    for (layer, attack), batches in results.groupby(["attack.layer", "attack"]):
        rows.append(
            {
                "layer": str(layer),
                "sparse": SPARSITIES[str(attack)],
                "exact": f"{proven(batches).sum()}/{len(batches)}",
                "MAE": f"{batches['mae'].mean():.2e}",
                "seconds": duration(float(batches["seconds"].median())),
            }
        )
    return pd.DataFrame(rows)
