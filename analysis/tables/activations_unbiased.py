"""Exact inversion of networks without any bias, at m = 200.

Exact: batches that are right by the truth, of all; then the PSNR in dB, its mean over all batches.
Lengths by: what tells them, the shape of the activation or the loss. Behind an odd activation
(tanh) the shape leaves the signs open, which the loss tells.
"""

import pandas as pd

from spear.analysis.statistics.activations import by_batch_size

EXPERIMENTS = ("activations_unbiased",)

BY_LOSS = ("relu", "leaky_relu", "prelu")


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each activation, a column for each b."""
    by_loss = results["network.activation"].isin(BY_LOSS)
    named = results.assign(lengths=by_loss.map({True: "loss", False: "activation"}))
    named.loc[named["network.activation"] == "tanh", "lengths"] = "activation, signs: loss"
    return by_batch_size(named, {"network.activation": "activation", "lengths": "lengths by"})
