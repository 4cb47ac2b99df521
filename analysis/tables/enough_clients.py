"""Images recovered from the mean of k clients' updates, each of b images: CIFAR-10.

Share of the images of all clients whose PSNR is 20 dB or more, mean over batches; in brackets,
batches in which every direction is right. "up to k": the largest k at which k b <= m / 2, where the
equations of a layer pair determine the batch of all clients (docs/theory/layer-pairs.md). The rows
after local epochs are of one layer and its ReLU, where about m / 2 neurons are inactive.
"""

import pandas as pd

EXPERIMENTS = ("enough_clients", "enough_clients_fedavg", "enough_clients_rounded")

UPDATES = {
    "enough_clients": "gradients",
    "enough_clients_fedavg": "5 local epochs",
    "enough_clients_rounded": "whole numbers",
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind of update, activation, m and b, a column for each k."""
    keys = ["network.activation", "network.width", "batch_size"]
    rows = []
    for experiment, name in UPDATES.items():
        chosen = results[results["experiment"] == experiment]
        for _, cell in chosen.groupby(keys, sort=False):
            activation, m, b = (cell[key].iloc[0] for key in keys)
            row = {"updates": name, "activation": activation, "m": str(m), "b": str(b)}
            row["up to k"] = str(m // (2 * b))
            for k, batches in cell.groupby("aggregation.clients"):
                exact = f"{batches['exact'].sum()}/{len(batches)}"
                row[f"k = {k}"] = f"{batches['recovered'].mean():.0%} ({exact})"
            rows.append(row)
    return pd.DataFrame(rows).fillna("")
