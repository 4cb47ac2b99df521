"""Independent draws beside information sets, of batches made for the purpose."""

import numpy as np
import pandas as pd
import pytest

from spear.analysis.tables import independent_draws
from spear.inversion.sampling.lemmas import n_total_expected


def drawn(experiment: str, factor: float, n: int) -> pd.DataFrame:
    counts = factor * n_total_expected(8) * np.linspace(0.5, 1.5, n)
    return pd.DataFrame(
        {
            "experiment": experiment, "network.width": 200, "batch_size": 8, "batch": range(n),
            "submatrices": counts, "exact": True,
        }
    )  # fmt: skip


def test_only_batches_of_both_are_compared():
    results = pd.concat([drawn("figure4_independent", 1.0, 5), drawn("figure4", 1.5, 9)[:5]])
    (row,) = independent_draws.table(results).to_dict("records")
    assert (row["m"], row["b"], row["batches"], row["exact"]) == ("200", "8", "5", "5, 5")
    assert row["over the lemma"] == "1.00"
    assert row["2 b / (b + 1)"] == "1.78"
    assert row["independent"] == row["Lemma 5.2"]


@pytest.mark.parametrize("factor", [1.0, 1.78])
def test_the_ratio_is_paired_over_batches(factor):
    results = pd.concat([drawn("figure4_independent", 1.0, 9), drawn("figure4", factor, 9)])
    (row,) = independent_draws.table(results).to_dict("records")
    assert row["ratio"] == f"{factor:.2f} [{factor:.2f}, {factor:.2f}]"
