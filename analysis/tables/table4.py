"""Table 4: the attacked layer, Tiny ImageNet, b = 20, m = 400.

MAE on the layer's inputs, mean over batches; accuracy: batches with all directions right; seconds:
median of ours on one thread, the paper's on a GPU.
"""

import pandas as pd

from spear.analysis.paper.comparison import accuracy_verdict, mean, papers, share
from spear.analysis.statistics.measures import duration

EXPERIMENTS = ("table4",)
KEYS = {"layer": "attack.layer"}
COMPARED = {"mae": mean("mae", higher_is_better=False), "accuracy": share("exact")}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each layer."""
    rows = []
    for _, paper in papers("table4").iterrows():
        ours = results[results["attack.layer"] == paper["layer"]]
        right, n = int(ours["exact"].sum()), len(ours)
        rows.append(
            {
                "layer": f"{paper['layer']:g}",
                "MAE: paper": f"{paper['mae']:.2e}",
                "ours": f"{ours['mae'].mean():.2e}",
                "accuracy: paper": f"{paper['accuracy']:g} %",
                "ours ": f"{right}/{n}",
                "accuracy": accuracy_verdict(right, n, paper["accuracy"]),
                "time: paper": duration(paper["seconds"]),
                "ours  ": duration(float(ours["seconds"].median())),
            }
        )
    return pd.DataFrame(rows)
