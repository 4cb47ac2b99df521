"""Exact inversion from the gradients of two layers of pixels in [0, 1], at m = 200.

Exact: batches that are right by the truth, of all; then the PSNR in dB, its mean over all batches.
The next layer is as wide as the first. Table "activations" has normalised inputs.
"""

import pandas as pd

from spear.analysis.statistics.activations import by_batch_size

EXPERIMENTS = ("activations_pixels",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each activation, a column for each b."""
    return by_batch_size(results, {"network.activation": "activation"})
