"""Verdicts on values of ours beside the paper's, by their 95 % intervals.

`reproduced` is about the paper's method, run again: "yes" if its value is the paper's within the
intervals, "exceeded" if it is better, "no" if it is worse. `ours` is about the descent: "better",
"equal" (within the intervals) or "worse". "undecided": there are too few batches to tell.
"""

import math

import pandas as pd
from scipy.stats import binomtest

from spear.analysis.statistics.measures import half_width

UNDECIDED = "undecided"
REPRODUCED = {1: "exceeded", 0: "yes", -1: "no"}
IMPROVED = {1: "better", 0: "equal", -1: "worse"}
"""Words for a value that is better than the paper's (1), the same (0), worse (-1)."""

WIDEST = 20.0
"""Percentage points; in a wider interval of a share, the paper's value is no agreement."""


WIDEST_OF_MEAN = 0.1
"""The same of a mean: half of its interval as a share of the paper's value."""


def of_share(right: int, n: int, paper: float) -> int | None:
    """Compare a share with the paper's by its Clopper-Pearson interval; None if undecided.

    Args:
        right, n: batches that count as right, of n.
        paper: the paper's share in per cent.
    """
    interval = binomtest(right, n).proportion_ci(0.95)
    if interval.low <= paper / 100 <= interval.high:
        return 0 if 100 * (interval.high - interval.low) <= WIDEST else None
    return 1 if 100 * right / n > paper else -1


def of_mean(values: pd.Series, paper: float, paper_half: float = 0.0) -> int | None:
    """Compare a mean, where higher is better, with the paper's; None if undecided.

    Args:
        values: one of each batch.
        paper, paper_half: the paper's mean and half of its interval, if it gives one.
    """
    if len(values) < 2:
        return None
    difference, half = float(values.mean()) - paper, half_width(values)
    if abs(difference) <= half + paper_half:
        return 0 if half <= max(WIDEST_OF_MEAN * abs(paper), paper_half) else None
    return 1 if difference > 0 else -1


def batches_needed(paper: float) -> int:
    """Return how many batches tell if a share is the paper's: with them, of the same share, its
    interval is at most `WIDEST` wide.

    Args:
        paper: the paper's share in per cent.
    """
    n = 1
    while True:
        interval = binomtest(round(n * paper / 100), n).proportion_ci(0.95)
        if 100 * (interval.high - interval.low) <= WIDEST:
            return n
        n += 1


def said(sign: int | None, words: dict[int, str]) -> str:
    """Return the word for the result of a comparison."""
    return UNDECIDED if sign is None else words[sign]


def paper_half(paper: pd.Series, measure: str) -> float:
    """Return half of the interval that a row of the paper's table gives; 0 if none."""
    half = paper.get(f"{measure}_interval", math.nan)
    return 0.0 if pd.isna(half) else float(half)
