"""Exact inversion behind every activation, from the gradients of two layers, at m = 200.

Exact: batches that are right by the truth, of all; then the PSNR in dB, its mean over all batches.
Before a wide next layer its gradient has rank b; before the classifier, 9 at most.
"""

import pandas as pd

EXPERIMENTS = ("activations",)

NEXT = {6: "wide next layer", 2: "classifier"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each activation and kind of next layer, a column for each b."""
    rows = []
    for depth, name in NEXT.items():
        chosen = results[results["network.depth"] == depth]
        for activation in dict.fromkeys(results["network.activation"]):
            row = {"next layer": name, "activation": activation}
            of = chosen[chosen["network.activation"] == activation]
            for b, batches in of.groupby("batch_size"):
                share = f"{batches['exact'].sum()}/{len(batches)}"
                row[f"b = {b}"] = f"{share}, {batches['psnr'].mean():.1f}"
            rows.append(row)
    return pd.DataFrame(rows).fillna("")
