"""Times of the three searches on the same batches, extrapolated where one cannot finish."""

import pandas as pd

from spear.inversion.sampling.lemmas import repetition

ATTACKS = ("spear_irls", "spear", "spear_svd")


def times(results: pd.DataFrame) -> pd.DataFrame:
    """Return the seconds per batch, a row for each batch size and attack.

    If the paper's own sampler left half of the batches unfinished, its time is extrapolated: its
    measured seconds per submatrix times the submatrices that sampling by information sets needed on
    the same batches, divided by `repetition(b)`, since independent ones are not met in clusters
    (docs/theory/sampling.md).

    Returns:
        batch_size, attack, n, n_exact, `median`, `low`, `high` (10th and 90th percentile) seconds,
        and whether they are `extrapolated`.
    """
    rows = []
    for (b, attack), batches in results.groupby(["batch_size", "attack"]):
        seconds = batches["seconds"]
        unfinished = attack == "spear_svd" and batches["exact"].mean() <= 0.5
        if unfinished:
            needed = results.query("batch_size == @b and attack == 'spear'")["submatrices"]
            per_submatrix = (seconds / batches["submatrices"]).median()
            seconds = needed / repetition(batches["batch_size"].iloc[0]) * per_submatrix
        low, median, high = seconds.quantile([0.1, 0.5, 0.9])
        rows.append(
            (b, attack, len(batches), batches["exact"].sum(), median, low, high, unfinished)
        )
    columns = ["batch_size", "attack", "n", "n_exact", "median", "low", "high", "extrapolated"]
    return pd.DataFrame(rows, columns=columns)


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Return the median times of the paper's searches over the descent's: b x attack."""
    medians = table.pivot(index="batch_size", columns="attack", values="median")
    return medians.div(medians["spear_irls"], axis=0)
