"""Gradient matching on text beside the exact attack and DAGER's span tests, on the same batches.

Gradient matching descends on word embeddings and is given the labels. Tokens and sentences that are
right, and ROUGE-1 and ROUGE-2, are means over batches. Seconds: median wall time of the attack.
"""

import pandas as pd

from spear.analysis.render.language import percent
from spear.analysis.tables.text_recovery import model_of

EXPERIMENTS = (
    "text_matching", "text_matching_minilm", "text_recovery", "text_recovery_minilm",
)  # fmt: skip

ATTACKS = {"spear_text": "spear", "dager": "DAGER", "match_text": "gradient matching"}
"""Attack -> its name in the rows."""

CELL = ["model", "batch_size", "batch"]


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each model, b and attack, over the batches that all attacks had."""
    named = results.assign(model=model_of(results))
    common = named[named["attack"] == "match_text"][CELL]
    rows = []
    for (model, b), batches in named.merge(common, on=CELL).groupby(CELL[:2], sort=False):
        for attack, name in ATTACKS.items():
            of = batches[batches["attack"] == attack]
            rows.append(
                {
                    "model": model,
                    "b": b,
                    "attack": name,
                    "batches": len(of),
                    "tokens": percent(of["token_accuracy"]),
                    "sentences": percent(of["sequences_exact"]),
                    "ROUGE-1/2": f"{of['rouge1'].mean():.2f}/{of['rouge2'].mean():.2f}",
                    "s": f"{of['seconds'].median():.1f}",
                }
            )
    return pd.DataFrame(rows)
