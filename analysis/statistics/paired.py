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
"""What the generator of CIFAR-10 knows of a data set."""
DEFENSES = {
    "none": "no defense",
    "clipping": "clipping",
    "sparsification": "sparsification",
    "gaussian_noise": "noise",
    "soteria": "Soteria",
}


@dataclass(frozen=True)
class Difference:
    """By how much one attack's values are above another's on the same pictures.

    Attributes:
        mean: of the differences.
        low, high: its 95 % interval, by the bootstrap over pictures (BCa).
        p: of no difference, two-sided, by Wilcoxon's signed-rank test.
        wins: pictures on which it is above 0.
        n: pictures.
    """

    mean: float
    low: float
    high: float
    p: float
    wins: int
    n: int


def paired(ours: pd.Series, others: pd.Series) -> Difference:
    """Differences of two series on the pictures (index) that both have."""
    values = (ours - others).dropna().to_numpy(dtype=float)
    interval = bootstrap((values,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    p = float(wilcoxon(values).pvalue)
    wins = int((values > 0).sum())
    return Difference(float(values.mean()), interval.low, interval.high, p, wins, len(values))


def settings(results: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Batches by (data set, defense) as they are shown, each with its batches' numbers as index."""
    return {
        (dataset, defense): cell.set_index("batch")
        for dataset in PICTURES
        for defense in DEFENSES
        if len(cell := results[(results["dataset"] == dataset) & (results["defense"] == defense)])
    }
