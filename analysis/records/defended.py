"""Test accuracy of networks trained under a defense (`benchmarks.defended_accuracy`)."""

from functools import cache
from pathlib import Path

import pandas as pd

ACCURACIES = Path(__file__).with_name("defended_accuracy.csv")

COLUMNS = ["noise_multiplier", "seed", "epochs", "accuracy"]
"""Columns of `ACCURACIES`, a row for each network."""

MULTIPLIERS = (0, 1e-4, 3e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 0.05, 0.15, 0.5, 1.5)
"""Noise multipliers of DP-SGD: those of `enough_noise`, none, and larger ones."""


@cache
def accuracies() -> pd.DataFrame:
    """Return the table of `COLUMNS`."""
    return pd.read_csv(ACCURACIES)
