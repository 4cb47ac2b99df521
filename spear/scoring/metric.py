"""Interface of a metric, and ways to summarise its numbers over batches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from spear.errors import ConfigError
from spear.scoring.matched import Matched

Value = float | int | bool
"""Type of a number that scores a batch."""

Aggregate = Callable[[NDArray[np.float64]], float | int]
"""Turns the values of all batches of a job into one number."""


class Metric(ABC):
    """A family of numbers that score a reconstruction.

    A new one subclasses this, sets `names` and implements `__call__`; a configuration names it
    under `metrics`.

    Attributes:
        names: names of the numbers, in the order of their record columns.
        kinds: type of each number that is not a float, `int` or `bool`.
    """

    names: tuple[str, ...]
    kinds: Mapping[str, type[int]] = MappingProxyType({})

    @abstractmethod
    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Return each number of `names` for one batch; NaN if it is not defined there."""

    def summary(self) -> dict[str, tuple[str, Aggregate]]:
        """Return the entries of a job's summary for these numbers: key -> (name, aggregate).

        They are the mean of each number as `<name>_mean`, unless a metric overrides this.
        """
        return {f"{name}_mean": (name, mean) for name in self.names}


def kinds_of(metrics: Iterable[Metric]) -> dict[str, type[int] | type[float]]:
    """Return the type of each number of several metrics, by name and in order.

    Raises:
        ConfigError: two numbers have the same name, or `names` is a string instead of a tuple.
    """
    kinds: dict[str, type[int] | type[float]] = {}
    for metric in metrics:
        declared: object = metric.names
        if isinstance(declared, str):
            raise ConfigError(
                f"{type(metric).__name__}.names is {declared!r}; expected a tuple of strings, "
                f"({declared!r},)."
            )
        for name in metric.names:
            if name in kinds:
                raise ConfigError(
                    f"{type(metric).__name__} has a number {name!r}, which another metric has "
                    "already; rename it."
                )
            kinds[name] = metric.kinds.get(name, float)
    return kinds


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean over batches."""
    return float(values.mean())


def median(values: NDArray[np.float64]) -> float:
    """Return the median over batches."""
    return float(np.median(values))


def deviation(values: NDArray[np.float64]) -> float:
    """Return the standard deviation over batches (n - 1); 0 for one batch."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def total(values: NDArray[np.float64]) -> float:
    """Return the sum over batches."""
    return float(values.sum())


def count(values: NDArray[np.float64]) -> int:
    """Return the number of batches whose value is 1 (true)."""
    return int(values.sum())


def share_of_ones(values: NDArray[np.float64]) -> float:
    """Return the share of batches whose value is 1; NaN if one has none."""
    return float(np.where(np.isnan(values), np.nan, values == 1).mean())
