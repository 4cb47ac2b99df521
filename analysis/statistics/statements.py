"""Numbers behind the statements that the paper makes on its figures."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from spear.analysis.statistics.measures import exact_interval

RESAMPLES = 2000

OPEN, YES, NO, PARTLY = "not run", "yes", "no", "in part"
"""Verdicts on whether the records bear a statement out."""


@dataclass(frozen=True)
class Ratio:
    """Ratio of two medians over batches, with its 95 % interval (percentile bootstrap)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1f} ({self.low:.1f} to {self.high:.1f})"


def ratio_of_medians(first: pd.Series, second: pd.Series) -> Ratio:
    """Return the median of `first` over that of `second`; the same numbers give the same result."""

    def statistic(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        ratio: np.ndarray = np.median(a, axis=axis) / np.median(b, axis=axis)
        return ratio

    found = bootstrap(
        (first.to_numpy(float), second.to_numpy(float)), statistic, n_resamples=RESAMPLES,
        vectorized=True, method="percentile", random_state=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return Ratio(float(first.median() / second.median()), float(found.low), float(found.high))


def agreeing(shares: pd.DataFrame) -> bool:
    """Return whether one value lies in every interval (`low`, `high`)."""
    return bool(shares["low"].max() <= shares["high"].min())


def beside_lemma(
    failed: pd.DataFrame, bound: list[float], approximation: list[float]
) -> dict[str, int]:
    """Count the cells by where their share of failures lies, by 95 % intervals.

    Args:
        failed: columns `share`, `low` and `high`, a row for each cell.
        bound, approximation: Lemma 5.3's for each cell.

    Returns:
        Numbers of cells: `between` (the interval reaches both or what lies between), `above` the
        bound, and `below` the approximation.
    """
    above = failed["low"] > np.array(bound)
    below = failed["high"] < np.array(approximation)
    return {
        "between": int((~above & ~below).sum()), "above": int(above.sum()),
        "below": int(below.sum()),
    }  # fmt: skip


def failures(batches: pd.DataFrame, failed: pd.Series, by: list[str]) -> pd.DataFrame:
    """Return the share of failed batches of each cell with its 95 % Clopper-Pearson interval."""
    return exact_interval(batches.assign(exact=failed), by)
