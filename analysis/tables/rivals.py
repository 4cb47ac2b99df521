"""Exact attacks in the peeling paper's own setting: its published shares, and all of them run here.

Shariati and Meybodi (arXiv 2609.09659), passive server: one hidden ReLU layer of N = 1000 neurons,
weights normal with deviation 0.5, biases of zero, float64 clients, pixels in [0, 1]. "published":
their share of the samples of one batch. Of attacks run here: share of the samples within a distance
of 0.01 (their measure), batches of which every sample is right, and the median of seconds. Beside
Tiny ImageNet stands their share of ImageNet, whose resolution is not known here. They take the
first images of the train split; here batches are drawn from the test split. At b = 512 no share of
theirs is known here. LT-code peeling is told the batch size.
"""

import pandas as pd

from spear.analysis.statistics.rivals import NAMES, attacks, cell, published

EXPERIMENTS = ("rivals",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each data set and b."""
    rows = []
    for _, batches in results.groupby(["dataset", "batch_size"], sort=True):
        dataset, b = str(batches["dataset"].iloc[0]), int(batches["batch_size"].iloc[0])
        share = published(dataset, b)
        row = {
            "data set": dataset,
            "b": str(b),
            "published": "" if share is None else f"{100 * share:.1f} %",
        }
        for attack in attacks(results):
            row[NAMES[attack]] = cell(batches[batches["attack"] == attack])
        rows.append(row)
    return pd.DataFrame(rows)
