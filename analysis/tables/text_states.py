"""Hidden states of a trained encoder (MiniLM, d = 384), with dropout and without.

Texts: sentences, or paragraphs of so many. Tokens: positions with a gradient, the most of a batch.
States: share of them whose hidden state is found to 1e-3, the mean over batches; largest error: of
these states. Proven: batches whose text is called exact, and is.
"""

import pandas as pd

from spear.analysis.render.language import MODES, percent

EXPERIMENTS = ("text_states_minilm", "text_states_minilm_long")


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind of text, mode and b."""
    rows = []
    keys = ["dataset", "dataset.sentences", "network.training", "batch_size"]
    for (dataset, sentences, training, b), batches in results.groupby(
        keys, sort=False, dropna=False
    ):
        proven = batches["exact"] & (batches["status"] == "exact")
        rows.append(
            {
                "texts": str(dataset) + ("" if pd.isna(sentences) else f" of {sentences:.0f}"),
                "dropout": MODES[bool(training)],
                "b": b,
                "tokens": f"{batches['details.states'].max():.0f}",
                "states": percent(batches["positions_exact"]),
                "largest error": f"{batches['state_error'].max():.0e}",
                "proven": f"{proven.sum()}/{len(batches)}",
                "right texts": percent(batches["sequences_exact"]),
                "s": f"{batches['seconds'].median():.0f}",
            }
        )
    return pd.DataFrame(rows)
