"""How well what a client foresaw ranks what attacks reached: Spearman's rho and its intervals."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import bootstrap, rankdata

NORM = "details.gradient_norm"

LOSSES = {"match_l2": "l2", "match_cosine": "cosine"}
"""From attacks to the matching loss that they descend on, as LAVP's numbers are named."""

LOSS_NAMES = {"l2": "L2", "cosine": "cosine"}
DATASETS = {"mnist": "MNIST", "cifar10": "CIFAR-10", "tiny_imagenet": "Tiny ImageNet"}
NETWORKS = {"fcnn": "fully connected", "lenet": "convolutional"}

RESAMPLES = 2000

Ranks = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """The batches of one data set, network and attack."""

    dataset: str
    network: str
    loss: str
    batches: pd.DataFrame

    @property
    def lavp(self) -> str:
        """Column of the largest eigenvalue of the attack's own loss."""
        return f"details.lavp_{self.loss}_max"


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its 95 % bootstrap interval, by percentiles."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def cells(results: pd.DataFrame) -> Iterator[Cell]:
    """By network, data set and loss, in the order of the names above.

    What is foreseen of a batch does not depend on the attack, and holds for all attacks on it: a
    sweep need not compute it anew with `risk=none`.
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
    """Spearman's rho along an axis, mean ranks for ties; NaN where all of one are equal."""
    x, y = (rankdata(each, axis=axis) for each in (first, second))
    x, y = (each - each.mean(axis=axis, keepdims=True) for each in (x, y))
    with np.errstate(invalid="ignore"):
        rho: Ranks = (x * y).sum(axis) / np.sqrt((x * x).sum(axis) * (y * y).sum(axis))
    return rho


def correlation(proxy: ArrayLike, quality: ArrayLike) -> Interval | None:
    """Spearman's rho of both over batches; None where one is missing or always the same."""
    return _interval(spearman, proxy, quality)


def gain(proxy: ArrayLike, baseline: ArrayLike, quality: ArrayLike) -> Interval | None:
    """|rho| of a proxy less |rho| of the baseline, on the same resampled batches."""

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
