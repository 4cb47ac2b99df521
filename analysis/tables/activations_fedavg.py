"""Layer pairs after E local steps at the rate eta, on the whole batch: CIFAR-10, m = 200.

Whole: batches of which every image has a PSNR of 20 dB or more, of all; then the PSNR in dB, its
mean over all batches. First weights: the update is taken for a gradient at the weights that the
server sent (spear_pair); mean weights: for one at the mean of those of all steps
(spear_pair_fedavg), which refuses updates along which the weights drift too far.
"""

import pandas as pd

EXPERIMENTS = ("activations_fedavg",)

WEIGHTS = {"spear_pair": "first", "spear_pair_fedavg": "mean"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each activation, b, E and weights, a column for each eta."""
    keys = ["network.activation", "batch_size", "fedavg.epochs", "attack"]
    rows = []
    for (activation, b, epochs, attack), cell in results.groupby(keys):
        row = {"activation": activation, "b": str(b), "E": str(epochs)}
        row["at weights"] = WEIGHTS[str(attack)]
        for rate, batches in cell.groupby("fedavg.learning_rate"):
            whole = f"{(batches['recovered'] == 1.0).sum()}/{len(batches)}"
            row[f"eta = {rate:g}"] = f"{whole}, {batches['psnr'].mean():.1f}"
        rows.append(row)
    return pd.DataFrame(rows).fillna("")
