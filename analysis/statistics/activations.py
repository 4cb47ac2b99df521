"""Rows of the tables over activation and batch size, whatever else an experiment varies."""

from collections.abc import Mapping

import pandas as pd


def by_batch_size(results: pd.DataFrame, rows: Mapping[str, str]) -> pd.DataFrame:
    """Return a row for each combination of settings, and a column for each batch size.

    A cell has the batches that are right by the truth, of all; then the PSNR in dB, its mean over
    all batches.

    Args:
        results: a row per batch.
        rows: keys of the configuration -> words for them, in the order of the columns. Values of a
            key are in the order of their categories, or of their first appearance.
    """
    found = []
    ordered = results.assign(**{key: _ordered(results[key]) for key in rows})
    for values, chosen in ordered.groupby(list(rows), observed=True):
        row = dict(zip(rows.values(), map(str, values), strict=True))
        for b, batches in chosen.groupby("batch_size"):
            share = f"{batches['exact'].sum()}/{len(batches)}"
            row[f"b = {b}"] = f"{share}, {batches['psnr'].mean():.1f}"
        found.append(row)
    return pd.DataFrame(found).fillna("")


def with_those_by_loss(results: pd.DataFrame) -> pd.DataFrame:
    """Return batches with those attacked by more than the layer pair as an activation of their own.

    Args:
        results: a row per batch; `spear_network` asks the loss, too.
    """
    asked = results["attack"] == "spear_network"
    names = results["network.activation"].where(~asked, results["network.activation"] + ", loss")
    return results.assign(**{"network.activation": names})


def _ordered(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values
    return values.astype(pd.CategoricalDtype(list(dict.fromkeys(values)), ordered=True))
