"""Seconds, starts and submatrices per batch at m = 10 b: medians, and exact batches."""

import pandas as pd

from spear.analysis.render.methods import ALGORITHM_1, OURS, PEELING
from spear.analysis.statistics.measures import count, duration, exact, spread
from spear.inversion.sampling.lemmas import n_total_expected

EXPERIMENTS = ("scaling", "scaling_peeling", "scaling_sampling")


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each batch size; the expected submatrices are by both laws."""
    descent = _columns(results[results["attack"] == "spear_irls"], OURS, "details.starts")
    peeling = results[results["attack"] == "spear_peeling"]
    joined = (
        descent if peeling.empty else descent.join(_columns(peeling, PEELING, "details.starts"))
    )
    sampling = _columns(results[results["attack"] == "spear"], ALGORITHM_1, "submatrices")
    joined = joined.join(sampling).fillna("")
    sizes = [int(b) for b in joined.index]
    joined["Lemma 5.2"] = [count(n_total_expected(b)) for b in sizes]
    joined["information sets"] = [count(n_total_expected(b, per_draw=b)) for b in sizes]
    return joined.rename_axis("b").reset_index().astype(str)


def _columns(batches: pd.DataFrame, search: str, counted: str) -> pd.DataFrame:
    """Return one search's columns, by batch size."""
    counts = exact(batches, "batch_size").set_index("batch_size")
    seconds = spread(batches, "batch_size", "seconds")["median"]
    drawn = spread(batches, "batch_size", counted)["median"]
    return pd.DataFrame(
        {
            f"{search}: exact": (counts["n_exact"].astype(str) + "/" + counts["n"].astype(str)),
            f"{search}: seconds": [duration(each) for each in seconds],
            f"{search}: {counted.removeprefix('details.')}": [count(each) for each in drawn],
        }
    )
