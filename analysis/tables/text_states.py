"""Hidden states of a trained encoder (MiniLM, d = 384), with dropout and without.

Texts: single sentences, or paragraphs of as many as named. Tokens: positions with a gradient, the
most of a batch. States: share of them whose hidden state is found to 1e-3, the mean over batches;
largest error: of these states. Proven: batches whose text is called exact, and is.
"""

import pandas as pd

from spear.analysis.render.language import MODES, percent
from spear.analysis.statistics.measures import proven

EXPERIMENTS = ("text_states_minilm", "text_states_minilm_long")


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each kind of text, mode and b."""
    rows = []
    counts = results["dataset.sentences"].map(lambda n: "" if pd.isna(n) else f" of {n:.0f}")
    keys = ["texts", "network.training", "batch_size"]
    named = results.assign(texts=results["dataset"] + counts)
    for (texts, training, b), batches in named.groupby(keys, sort=False):
        rows.append(
            {
                "texts": texts,
                "dropout": MODES[bool(training)],
                "b": b,
                "tokens": f"{batches['details.states'].max():.0f}",
                "states": percent(batches["positions_exact"]),
                "largest error": f"{batches['state_error'].max():.0e}",
                "proven": f"{proven(batches).sum()}/{len(batches)}",
                "right texts": percent(batches["sequences_exact"]),
                "s": f"{batches['seconds'].median():.0f}",
            }
        )
    return pd.DataFrame(rows)
