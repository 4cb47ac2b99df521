"""Verdicts by optimiser of local steps: CIFAR-10, b = 8, m = 200, at the rate 0.001.

The most frequent end of an attack, the share of images of 20 dB and more, and the mean PSNR.
"refused": no attack, as the update of several such steps is no sum of gradients. Behind a ReLU
from one layer (`attack=spear_irls`), behind GELU from a layer pair at the mean weights of the steps
(`spear_pair_fedavg`). Below: gradients in 16 bits or clipped by value, at the rate 0.01, by the
descent and after completion (`spear_clipped`).
"""

import pandas as pd

EXPERIMENTS = ("optimisers", "optimisers_pair", "optimisers_precision")

REFUSED = "failed"

ATTACKS = {
    "spear_irls": "ReLU",
    "spear_pair_fedavg": "GELU",
    "spear_clipped": "ReLU, completed",
}
"""Attack -> what a row says of it."""


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each optimiser and attack, a column for each number of epochs."""
    step = results["fedavg/optimizer"].where(results["defense"] == "none", results["defense"])
    rows = []
    for (name, attack), own in results.assign(step=step).groupby(["step", "attack"], sort=False):
        row = {"steps": str(name), "from": ATTACKS[str(attack)]}
        for epochs, cell in own.groupby("fedavg.epochs"):
            row[f"E = {int(epochs)}"] = _verdict(cell)
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def _verdict(cell: pd.DataFrame) -> str:
    end = str(cell["status"].mode().iloc[0])
    if end == REFUSED:
        return "refused"
    words = end.replace("_", " ")
    return f"{words}, {cell['recovered'].mean():.0%}, {cell['psnr'].mean():.0f} dB"
