"""Sentences read from one gradient: by hidden states, which prove them, and by DAGER's span tests.

The same batches for both. Positions: token positions with a gradient whose hidden state is found to
1e-3; then tokens and sentences that are right, and ROUGE-1 and ROUGE-2, all as means over batches.
Proven: batches that are called exact, and are. Seconds: median wall time of the attack.
"""

import pandas as pd

from spear.analysis.render.language import percent
from spear.analysis.statistics.measures import proven

EXPERIMENTS = ("text_recovery", "text_recovery_minilm", "text_recovery_trained")

ATTACKS = {"spear_text": "spear", "dager": "DAGER"}
"""Attack -> its name in the columns."""

LOSSES = {"next_token": "next token", "classification": "classes"}

SHARES = {"token_accuracy": "tokens", "sequences_exact": "sentences"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each model and b."""
    rows = []
    named = results.assign(model=model_of(results))
    for (model, b), batches in named.groupby(["model", "batch_size"], sort=False):
        parts = {name: batches[batches["attack"] == attack] for attack, name in ATTACKS.items()}
        own = parts["spear"]
        row = {
            "model": model,
            "b": b,
            "positions": percent(own["positions_exact"]),
            "proven": f"{proven(own).sum()}/{len(own)}",
        }
        for column, short in SHARES.items():
            row |= {f"{short}, {name}": percent(of[column]) for name, of in parts.items()}
        for name, of in parts.items():
            row[f"ROUGE-1/2, {name}"] = f"{of['rouge1'].mean():.2f}/{of['rouge2'].mean():.2f}"
        row |= {f"s, {name}": f"{of['seconds'].median():.1f}" for name, of in parts.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def model_of(results: pd.DataFrame) -> pd.Series:
    """Return the model of each batch in words."""
    columns = results.reindex(columns=["network", "network.objective", "network.steps"])
    return columns.apply(_named, axis=1)


def _named(row: pd.Series) -> str:
    loss = LOSSES.get(row["network.objective"], row["network.objective"])
    if row["network"] == "minilm":
        return f"MiniLM, trained, {loss}"
    steps = row["network.steps"]
    trained = "untrained" if not steps > 0 else f"{steps:.0f} steps"
    return f"{str(row['network']).upper().replace('GPT2', 'GPT-2')}, {trained}, {loss}"
