"""Test accuracy of networks trained under a defense (`benchmarks.defended_accuracy`)."""

from functools import cache
from pathlib import Path

import pandas as pd

ACCURACIES = Path(__file__).with_name("defended_accuracy.csv")

COLUMNS = ["defense", "setting", "rate", "seed", "epochs", "accuracy"]
"""Columns of `ACCURACIES`, a row for each network; a defense without a setting has 0."""

RATES = (0.1, 1.0)
"""Learning rates of clipped gradients. Others have the first alone: they diverge at the other."""

NOISE_STD = 2e-5
"""Noise on the mean, of `enough_clipping`."""

SETTINGS: dict[str, tuple[str, tuple[float, ...]]] = {
    "none": ("", (0.0,)),
    "dpsgd_opacus": ("noise_multiplier", (0.0, 1e-4, 2e-3, 8e-3, 0.05, 0.5)),
    "dpsgd": ("max_norm", (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
    "sparsification": ("share", (0.2, 0.5, 0.7, 0.8, 0.9)),
    "random_sparsification": ("share", (0.5, 0.8, 0.9)),
    "top_k": ("share", (0.5, 0.8, 0.9)),
    "int8": ("", (0.0,)),
    "int8_stochastic": ("", (0.0,)),
    "sign": ("", (0.0,)),
}
"""Defense -> its setting and the values of it: those of the experiments `enough_*`, and more."""

CLIPPED = ("dpsgd_opacus", "dpsgd")
"""Defenses that clip the gradient."""


@cache
def accuracies() -> pd.DataFrame:
    """Return the table of `COLUMNS`."""
    return pd.read_csv(ACCURACIES)


def best(defense: str) -> pd.Series:
    """Return the accuracy at each setting of a defense, at the learning rate that has most.

    Settings that no network was trained with are left out.
    """
    table = accuracies()
    own = table[table["defense"] == defense].groupby(["setting", "rate"])["accuracy"].mean()
    highest: pd.Series = own.groupby("setting").max()
    return highest
