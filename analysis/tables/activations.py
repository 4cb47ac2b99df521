"""Exact inversion behind every activation, from the gradients of two layers, at m = 200.

Exact: batches that are right by the truth, of all; then the PSNR in dB, its mean over all batches.
Before a wide next layer its gradient has rank b; before the classifier, 9 at most. "hardtanh,
loss": by the default attack, which asks the cross-entropy where a pair leaves inputs as a mixture.
"""

import pandas as pd

from spear.analysis.statistics.activations import by_batch_size, with_those_by_loss

EXPERIMENTS = ("activations", "activations_by_loss", "activations_b80")

NEXT = {6: "wide next layer", 2: "classifier"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each activation and kind of next layer, a column for each b."""
    depths = results["network.depth"].astype(pd.CategoricalDtype(list(NEXT), ordered=True))
    results = with_those_by_loss(results)
    named = results.assign(next=depths.cat.rename_categories(NEXT))
    return by_batch_size(named, {"next": "next layer", "network.activation": "activation"})
