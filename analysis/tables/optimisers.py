"""Verdicts by optimiser of local steps: CIFAR-10, b = 8, m = 200, at the rate 0.001.

The most frequent end of an attack, the share of images of 20 dB and more, and the mean PSNR.
Several steps of Adam are refused, as their update is no sum of gradients. Behind a ReLU from one
layer (`attack=spear_irls`), behind GELU from a layer pair at the mean weights of the steps
(`spear_pair_fedavg`). Below: one gradient, in 16 bits, or clipped by value at a limit; by the
descent, and after completion (`spear_clipped`).
"""

from typing import Any

import pandas as pd

EXPERIMENTS = (
    "optimisers",
    "optimisers_adam",
    "optimisers_pair",
    "optimisers_pair_adam",
    "optimisers_precision",
    "optimisers_clipped",
)

ATTACKS = {
    "spear_irls": "ReLU",
    "spear_pair_fedavg": "GELU",
    "spear_clipped": "ReLU, completed",
}
"""Attack -> what a row says of it."""


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each optimiser and attack, a column for each number of epochs."""
    results = results.assign(step=results.apply(_step, axis=1)).fillna({"fedavg.epochs": 1})
    rows = []
    for (name, attack), own in results.groupby(["step", "attack"], sort=False):
        row = {"steps": str(name), "from": ATTACKS[str(attack)]}
        for _, cell in own.groupby("fedavg.epochs"):
            row[f"E = {int(cell['fedavg.epochs'].iloc[0])}"] = _verdict(cell)
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def _step(batch: "pd.Series[Any]") -> str:
    """The optimiser of a batch, or what else was done to its gradient."""
    if batch["defense"] == "none":
        return str(batch["fedavg/optimizer"])
    limit = batch.get("defense.limit")
    return str(batch["defense"]) + (f" {limit:g}" if pd.notna(limit) else "")


def _verdict(cell: pd.DataFrame) -> str:
    end = str(cell["status"].mode().iloc[0])
    words = end.replace("_", " ")
    return f"{words}, {cell['recovered'].mean():.0%}, {cell['psnr'].mean():.0f} dB"
