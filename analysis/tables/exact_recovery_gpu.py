"""The search by descent without any prior on a GPU; the first batches of `exact_recovery`.

Columns as there. Batches of 20 and 24 leave a GPU waiting for its next small kernel and are faster
on a CPU; from b = 100 on the GPU is 40 to 150 times faster than one thread.
"""

import pandas as pd

from spear.analysis.tables import exact_recovery

EXPERIMENTS = (
    "exact_recovery_gpu",
    "exact_recovery_b50_gpu",
    "exact_recovery_b100_gpu",
    "exact_recovery_b200_gpu",
    "exact_recovery_b400",
)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each data set, kind of input, b and m."""
    return exact_recovery.table(results)
