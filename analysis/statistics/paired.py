"""Attacks with and without a generator, compared picture by picture."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import bootstrap, wilcoxon

ATTACKS = {
    "geiping": "gradient matching",
    "latent_search": "latents alone",
    "gifd": "GIFD",
}
PICTURES = {"cifar10": "in distribution", "imagenet": "out of distribution"}
"""Data set -> its relation to the generator, which was trained on CIFAR-10."""
DEFENSES = {
    "none": "no defense",
    "clipping": "clipping",
    "sparsification": "sparsification",
    "gaussian_noise": "noise",
    "soteria": "Soteria",
}


@dataclass(frozen=True)
class Difference:
    """Difference of two attacks' values on the same pictures: the first's less the second's.

    Attributes:
        mean: mean of the differences.
        low, high: ends of its 95 % interval, by the bootstrap over pictures (BCa).
        p: p-value of no difference, two-sided, by Wilcoxon's signed-rank test.
        wins: number of pictures with a difference above 0.
        n: number of pictures.
    """

    mean: float
    low: float
    high: float
    p: float
    wins: int
    n: int


def paired(ours: pd.Series, others: pd.Series) -> Difference:
    """Return the difference of two series on the pictures (index) that both have."""
    values = (ours - others).dropna().to_numpy(dtype=float)
    interval = bootstrap((values,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    p = float(wilcoxon(values).pvalue)
    wins = int((values > 0).sum())
    return Difference(float(values.mean()), interval.low, interval.high, p, wins, len(values))


def settings(results: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Return (data set, defense) -> batches, in the order shown; their numbers are the index."""
    return {
        (dataset, defense): cell.set_index("batch")
        for dataset in PICTURES
        for defense in DEFENSES
        if len(cell := results[(results["dataset"] == dataset) & (results["defense"] == defense)])
    }
