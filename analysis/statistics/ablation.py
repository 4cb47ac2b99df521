"""The cases of the ablation, and what its settings are called."""

import pandas as pd

SETTINGS = {
    "full": "all ideas",
    "no_activation_weights": "no activation weights",
    "no_rewhitening": "no re-whitening",
    "no_deflation": "no deflation",
    "no_certificate": "no certificate",
    "no_completion": "no completion",
    "convex_only": "p = 1 only",
}
"""File in `conf/attack/settings` -> name in tables and figures, in the order of the rows."""


def cases(results: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return each experiment's batches, named by their inputs and sizes."""
    named = {}
    for _, batches in results.groupby("experiment"):
        first = batches.iloc[0]
        inputs = "normalised" if first["dataset.normalize"] else "pixels in [0, 1]"
        named[f"{inputs}, b = {first['batch_size']}, m = {first['network.width']}"] = batches
    return named
