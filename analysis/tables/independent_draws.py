"""Independent submatrices, as in Lemma 5.2, beside those of information sets on the same batches.

Algorithm 1 on the batches of Figure 4 that both have seen. Submatrices: mean over batches, in whole
chunks, each a quarter larger than the last. Ratio: information sets over independent ones, with its
95 % interval by the bootstrap over batches. The law of information sets (docs/theory/sampling.md)
says 2 b / (b + 1), if every entry of dL/dZ is zero by chance alone. Over the lemma: the mean of the
independent ones as a multiple of Lemma 5.2.
"""

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from spear.analysis.statistics.measures import count
from spear.inversion.sampling.lemmas import n_total_expected, repetition

EXPERIMENTS = ("figure4_independent", "figure4")

SAME = ["network.width", "batch_size", "batch"]
RESAMPLES = 2000


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each width and batch size that both samplers have."""
    independent = results["experiment"] == EXPERIMENTS[0]
    columns = [*SAME, "submatrices", "exact"]
    both = results.loc[independent, columns].merge(
        results.loc[~independent, columns], on=SAME, suffixes=("", "_sets")
    )
    rows = []
    for _, cell in both.groupby(SAME[:2]):
        m, b = (int(cell[each].iloc[0]) for each in SAME[:2])
        alone, sets = (cell[each].to_numpy(float) for each in ("submatrices", "submatrices_sets"))
        rows.append(
            {
                "m": str(m),
                "b": str(b),
                "batches": str(len(cell)),
                "exact": f"{int(cell['exact'].sum())}, {int(cell['exact_sets'].sum())}",
                "independent": count(alone.mean()),
                "information sets": count(sets.mean()),
                "ratio": _ratio(sets, alone),
                "2 b / (b + 1)": f"{repetition(b):.2f}",
                "Lemma 5.2": count(n_total_expected(b)),
                "over the lemma": f"{alone.mean() / n_total_expected(b):.2f}",
            }
        )
    return pd.DataFrame(rows)


def _ratio(sets: np.ndarray, alone: np.ndarray) -> str:
    value = sets.mean() / alone.mean()
    if len(sets) < 2:
        return f"{value:.2f}"
    found = bootstrap(
        (sets, alone),
        lambda first, second, axis: first.mean(axis=axis) / second.mean(axis=axis),
        paired=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return f"{value:.2f} [{found.low:.2f}, {found.high:.2f}]"
