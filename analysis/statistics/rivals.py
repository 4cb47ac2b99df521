"""Exact attacks by other papers beside ours: names, published shares, shares of our records."""

import pandas as pd

from spear.analysis.render.methods import OWN
from spear.analysis.statistics.measures import duration

NAMES = {
    **{each: OWN[each] for each in ("spear_auto", "spear_irls", "spear_peeling")},
    "spear_network": "layer pairs (ours)",
    "lt_peeling": "LT-code peeling",
    "neuron_exclusivity": "neuron exclusivity",
    "dictionary_learning": "dictionary learning, l4",
    "dictionary_learning_l1": "dictionary learning, l1",
}
"""Attacks -> their names, in the order of tables and legends."""

PUBLISHED = {
    "cifar10": {64: 0.994, 128: 0.666, 256: 0.215},
    "cifar100": {64: 1.0, 128: 1.0, 256: 0.247},
    "imagenet": {64: 0.997, 128: 0.947, 256: 0.175},
    "fashion_mnist": {64: 1.0, 128: 0.722, 256: 0.048},
    "harus": {64: 1.0, 128: 0.475, 256: 0.115},
    "svhn": {64: 0.959, 128: 0.881, 256: 0.268},
    "emnist": {64: 0.672, 128: 0.019, 256: 0.005},
    "mnist": {64: 0.484, 128: 0.017, 256: 0.002},
}
"""Share of the samples that the passive attack of arXiv 2609.09659 recovers, by data set and b."""

SHOWN_AS = {"tiny_imagenet": "imagenet"}
"""Data set of our records -> the one whose published share stands beside it."""


def published(dataset: str, b: int) -> float | None:
    """Return the published share of LT-code peeling's samples, if there is one."""
    return PUBLISHED.get(SHOWN_AS.get(dataset, dataset), {}).get(b)


def attacks(batches: pd.DataFrame) -> list[str]:
    """Return the attacks of some batches that have a name here, in its order."""
    found = set(batches["attack"])
    return [each for each in NAMES if each in found]


def samples(batches: pd.DataFrame) -> pd.Series:
    """Return the share of each batch's samples that lies within the distance of the metric.

    NaN for batches that were not scored by `spear.scoring.WithinDistance`.
    """
    if "within" in batches:
        return batches["within"].astype(float)
    return pd.Series(float("nan"), index=batches.index)


def cell(batches: pd.DataFrame) -> str:
    """Return an attack's batches in short: share of samples, whole batches exact, median seconds.

    Empty without batches.
    """
    if batches.empty:
        return ""
    exact = f"{int(batches['exact'].sum())}/{len(batches)}"
    share = f"{100 * samples(batches).mean():.1f} %"
    return f"{share}, {exact}, {duration(batches['seconds'].median())}"
