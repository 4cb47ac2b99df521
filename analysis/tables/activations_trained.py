"""Exact inversion from the gradients of two layers after 5 epochs of training, at m = 200.

Exact: batches that are right by the truth, of all; then the PSNR in dB, its mean over all batches.
Table "activations" has the same networks at initialisation, on the same batches. A trained network
is sure of some inputs, which its gradient then does not hold: such batches are not right either.
"""

import pandas as pd

from spear.analysis.statistics.activations import by_batch_size

EXPERIMENTS = ("activations_trained",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each activation, a column for each b."""
    return by_batch_size(results, {"network.activation": "activation"})
