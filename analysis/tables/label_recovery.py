"""Label recovery of single samples, beside iDLG's sign rule.

Wang et al. (arXiv 2402.03124). Class: samples whose most probable class is right; exact: samples
whose label has an L1 error below 1e-3; L1, L2: error of the label, mean over samples; seconds:
median on one thread. Smoothed: alpha drawn from (0, 0.5) for each sample; mixed: two examples, the
weight drawn from (0, 1). Untrained networks are the paper's (fully connected, L = 6, m = 200) and
DLG's LeNet; trained ones are after 1,000 steps of SGD on the examples that are attacked, the LeNet
with ReLUs. Bias: whether the last layer has one, whose gradient leaves nothing to search for.

iDLG takes the class of the least entry of dL/db; without a bias, the row of dL/dW whose products
with most other rows are negative, as in its paper, which for soft labels names no one class. Where
the layer's inputs are known not to be negative, the least sum of a row, as in its code, names the
class of the least entry of p - y instead, as the bias does. Neither gives the soft label itself.
"""

import pandas as pd

from spear.analysis.statistics.labels import DATASETS, LABELS, error, exact, right_class
from spear.analysis.statistics.measures import duration

EXPERIMENTS = ("label_recovery", "label_recovery_trained")

NETWORKS = {
    "fcnn": "fully connected",
    "lenet": "convolutional",
    "trained": "fully connected, trained",
    "trained_lenet": "convolutional, trained",
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each data set, network, bias and kind of label."""
    rows = []
    for dataset, network, bias, augmentation in (
        (d, n, b, a) for d in DATASETS for n in NETWORKS for b in (False, True) for a in LABELS
    ):
        cell = results[
            (results["dataset"] == dataset)
            & (results["network"] == network)
            & (results["network.bias"] == bias)
            & (results["augmentation"] == augmentation)
        ]
        if cell.empty:
            continue
        ours, signs = (cell[cell["attack"] == each] for each in ("label_recovery", "idlg"))
        rows.append(
            {
                "data": DATASETS[dataset],
                "network": NETWORKS[network],
                "bias": "yes" if bias else "no",
                "labels": LABELS[augmentation],
                "class": right_class(ours),
                "exact": exact(ours),
                "L1": error(ours, "l1"),
                "L2": error(ours, "l2"),
                "seconds": duration(ours["seconds"].median()),
                "iDLG: class": right_class(signs),
                "exact ": exact(signs),
                "L1 ": error(signs, "l1"),
            }
        )
    return pd.DataFrame(rows)
