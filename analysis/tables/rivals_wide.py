"""Exact attacks at m = 1000: one hidden layer at PyTorch's initialisation, CIFAR-10, over b.

Share of the samples within a distance of 0.01 in pixels, batches of which every sample is right,
and the median of seconds; a batch that ran into the time limit counts with it. Clients compute in
float64, as LT-code peeling's tolerances need it. Dictionary learning ran on small normalised
batches alone: it is what SPEAR++ (arXiv 2510.24200) builds on, not SPEAR++, whose code is not
public. SPEAR++ is reported to recover about 65 samples at this width and to fail at b = 150 (arXiv
2609.09659). An empty cell was not run.
"""

import pandas as pd

from spear.analysis.statistics.rivals import NAMES, attacks, cell

EXPERIMENTS = ("rivals_wide", "rivals_dictionary")

INPUTS = {True: "normalised", False: "pixels in [0, 1]"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind of inputs and b."""
    rows = []
    keys = ["dataset.normalize", "batch_size"]
    for _, batches in results.groupby(keys, sort=True):
        b, normalize = int(batches["batch_size"].iloc[0]), batches["dataset.normalize"].iloc[0]
        row = {"inputs": INPUTS[bool(normalize)], "b": str(b), "m/b": f"{1000 / b:.1f}"}
        for attack in attacks(results):
            row[NAMES[attack]] = cell(batches[batches["attack"] == attack])
        rows.append(row)
    return pd.DataFrame(rows)
