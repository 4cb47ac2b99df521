"""Metric for the worst entry of a batch."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from spear.scoring import Matched, Metric
from spear.scoring.metric import Aggregate, Value


class LargestError(Metric):
    """Largest absolute error of an entry (`largest_error`), of a pixel in [0, 1] for images."""

    names = ("largest_error",)

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Compare each entry with the true one."""
        return {"largest_error": (matched.found - matched.true).abs().max().item()}

    def summary(self) -> dict[str, tuple[str, Aggregate]]:
        """Return how the summary aggregates it: the largest over batches instead of the mean."""
        return {"largest_error_max": ("largest_error", largest)}


def largest(values: NDArray[np.float64]) -> float:
    """Return the largest value over batches."""
    return float(values.max())
