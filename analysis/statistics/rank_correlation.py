"""Rank correlation of a client's risk forecast with the attack's quality: Spearman's rho."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import bootstrap, rankdata

NORM = "details.gradient_norm"

LOSSES = {"match_l2": "l2", "match_cosine": "cosine"}
"""Attack -> name of its matching loss in LAVP's numbers."""

LOSS_NAMES = {"l2": "L2", "cosine": "cosine"}
DATASETS = {"mnist": "MNIST", "cifar10": "CIFAR-10", "tiny_imagenet": "Tiny ImageNet"}
NETWORKS = {"fcnn": "fully connected", "lenet": "convolutional"}

RESAMPLES = 2000

Ranks = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """Batches of one data set, network and attack."""

    dataset: str
    network: str
    loss: str
    batches: pd.DataFrame

    @property
    def lavp(self) -> str:
        """Column with the largest eigenvalue of the attack's own loss."""
        return f"details.lavp_{self.loss}_max"


@dataclass(frozen=True)
class Interval:
    """Estimate with the ends of its 95 % bootstrap interval, by percentiles."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def cells(results: pd.DataFrame) -> Iterator[Cell]:
    """Yield cells by network, data set and loss, in the order of the names above.

    The forecast of a batch does not depend on the attack. So jobs with `risk=none` have that of the
    jobs that computed it for the same batches.
    """
    results = results.copy()
    columns = map(str, results.columns)
    foreseen = [each for each in columns if each == NORM or each.startswith("details.lavp_")]
    same = ["dataset", "network", "seed", "batch"]
    results[foreseen] = results.groupby(same)[foreseen].transform("first")
    for network in NETWORKS:
        for dataset in DATASETS:
            for attack, loss in LOSSES.items():
                chosen = (results["network"] == network) & (results["dataset"] == dataset)
                batches = results[chosen & (results["attack"] == attack)]
                if len(batches):
                    yield Cell(dataset, network, loss, batches)


def spearman(first: Ranks, second: Ranks, axis: int = -1) -> Ranks:
    """Return Spearman's rho along an axis, with mean ranks for ties; NaN if one is constant."""
    x, y = (rankdata(each, axis=axis) for each in (first, second))
    x, y = (each - each.mean(axis=axis, keepdims=True) for each in (x, y))
    with np.errstate(invalid="ignore"):
        rho: Ranks = (x * y).sum(axis) / np.sqrt((x * x).sum(axis) * (y * y).sum(axis))
    return rho


def correlation(proxy: ArrayLike, quality: ArrayLike) -> Interval | None:
    """Return Spearman's rho over batches; None if one of both is missing or constant."""
    return _interval(spearman, proxy, quality)


def gain(proxy: ArrayLike, baseline: ArrayLike, quality: ArrayLike) -> Interval | None:
    """Return |rho| of a proxy less |rho| of the baseline, on the same resampled batches."""

    def difference(first: Ranks, second: Ranks, third: Ranks, axis: int = -1) -> Ranks:
        rhos = (spearman(each, third, axis) for each in (first, second))
        ours, theirs = (np.abs(each) for each in rhos)
        return ours - theirs

    return _interval(difference, proxy, baseline, quality)


def _interval(statistic: Callable[..., Ranks], *samples: ArrayLike) -> Interval | None:
    data = tuple(np.asarray(each, dtype=float) for each in samples)
    if not all(np.isfinite(each).all() and np.ptp(each) > 0.0 for each in data):
        return None
    found = bootstrap(
        data,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(float(statistic(*data)), float(found.low), float(found.high))
