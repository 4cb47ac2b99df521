"""Sentences that a server reads from one gradient beside the client's, by both attacks.

The first batch of each job. Words that are not at their place are in another colour and bold.
"""

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.render import sentences
from spear.analysis.render.sentences import ReadSentences

EXPERIMENTS = ("text_recovery_minilm", "text_recovery_trained")

SHOWN: dict[str, dict[str, object]] = {
    "MiniLM, a trained encoder: loss of classes, 4 sentences": {
        "experiment": "text_recovery_minilm",
        "batch_size": 4,
    },
    "GPT-2's architecture after 400 steps of training: next-token loss, 8 sentences": {
        "experiment": "text_recovery_trained",
        "network.steps": 400,
        "batch_size": 8,
    },
}
"""Title of each batch that is shown, and its values in some columns."""

ATTACKS = {"spear_text": "read by spear, proven", "dager": "read by DAGER's span tests"}


def draw(results: pd.DataFrame) -> Figure:
    """Draw the batches below one another."""
    shown = []
    for title, values in SHOWN.items():
        chosen = results
        for column, value in values.items():
            chosen = chosen[chosen[column] == value]
        jobs = {
            name: chosen[chosen["attack"] == attack].iloc[0] for attack, name in ATTACKS.items()
        }
        shown.append(ReadSentences.of(title, jobs))
    return sentences.draw(shown)
