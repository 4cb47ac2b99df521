"""Test accuracy of networks trained under a defense (`benchmarks.defended_accuracy`)."""

from functools import cache
from pathlib import Path

import pandas as pd

ACCURACIES = Path(__file__).with_name("defended_accuracy.csv")

COLUMNS = ["noise_multiplier", "seed", "epochs", "accuracy"]
"""Columns of `ACCURACIES`, a row for each network."""

MULTIPLIERS = (0.0, 1e-4, 8e-3, 0.5, 0.05, 2e-3)
"""Noise multipliers of DP-SGD: none, some of `enough_noise`, and larger ones."""


@cache
def accuracies() -> pd.DataFrame:
    """Return the table of `COLUMNS`."""
    return pd.read_csv(ACCURACIES)
