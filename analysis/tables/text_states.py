"""Hidden states of a trained encoder (MiniLM) up to 3/4 d tokens, with dropout and without.

States: token positions with a gradient whose hidden state is found to 1e-3, the mean over batches,
and the largest error of these. Proven: batches whose text is called exact, and is.
"""

import pandas as pd

from spear.analysis.render.language import MODES, percent

EXPERIMENTS = ("text_states_minilm",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind of text, mode and b."""
    rows = []
    keys = ["dataset", "network.training", "batch_size"]
    for (dataset, training, b), batches in results.groupby(keys, sort=False):
        proven = batches["exact"] & (batches["status"] == "exact")
        rows.append(
            {
                "texts": dataset,
                "dropout": MODES[bool(training)],
                "b": b,
                "states": percent(batches["positions_exact"]),
                "largest error": f"{batches['state_error'].max():.0e}",
                "proven": f"{proven.sum()}/{len(batches)}",
                "right texts": percent(batches["sequences_exact"]),
                "s": f"{batches['seconds'].median():.0f}",
            }
        )
    return pd.DataFrame(rows)
