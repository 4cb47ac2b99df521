"""Every label of a batch, hard or soft, from SPEAR's inputs and the gradient of the last layer.

L = 6, m = 200, untrained; Wang et al. (arXiv 2402.03124) recover one sample's label and leave
batches open. Exact: batches of which every label has an L1 error below 1e-3; class: labels whose
most probable class is right; L1: error of a label, mean over labels and the largest mean of a
batch; condition: of the last layer's inputs, median; seconds: median on one thread, inputs and
labels together.
"""

import pandas as pd

from spear.analysis.statistics.labels import DATASETS, LABELS, error, exact, right_class
from spear.analysis.statistics.measures import duration

EXPERIMENTS = ("label_recovery_batches",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each data set, kind of label and b."""
    rows = []
    for dataset, augmentation in ((d, a) for d in DATASETS for a in LABELS):
        cells = results.query("dataset == @dataset and augmentation == @augmentation")
        for b, cell in cells.groupby("batch_size"):
            rows.append(
                {
                    "data": DATASETS[dataset],
                    "labels": LABELS[augmentation],
                    "b": str(b),
                    "exact": exact(cell),
                    "class": right_class(cell),
                    "L1": error(cell, "l1"),
                    "largest": f"{cell['label_l1'].fillna(1.0).max():.1e}",
                    "condition": f"{cell['details.condition'].median():.0f}",
                    "seconds": duration(cell["seconds"].median()),
                }
            )
    return pd.DataFrame(rows)
