"""Sentences that a server reads from one gradient beside the client's, by both attacks.

The first batch of each job. Words that are not at their place are in another colour and bold.
"""

import pandas as pd
from matplotlib.figure import Figure

from spear.analysis.render import sentences
from spear.analysis.render.sentences import ReadSentences

EXPERIMENTS = ("text_recovery", "text_recovery_minilm")

SHOWN = {
    ("minilm", "classification", 4): "MiniLM, trained encoder, loss of classes, 4 sentences",
    ("gpt2", "next_token", 8): "GPT-2's architecture, untrained, next-token loss, 8 sentences",
}
"""Network, objective and batch size of each batch that is shown, and its title."""

ATTACKS = {"spear_text": "read by spear, proven", "dager": "read by DAGER's span tests"}


def draw(results: pd.DataFrame) -> Figure:
    """Draw the batches below one another."""
    shown = []
    for (network, objective, b), title in SHOWN.items():
        chosen = results[
            (results["network"] == network)
            & (results["network.objective"] == objective)
            & (results["batch_size"] == b)
        ]
        jobs = {
            name: chosen[chosen["attack"] == attack].iloc[0] for attack, name in ATTACKS.items()
        }
        shown.append(ReadSentences.of(title, jobs))
    return sentences.draw(shown)
