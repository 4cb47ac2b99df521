"""Hidden states of every token from one feed-forward block: batches exact, and the largest error.

Tokens/d: different states in the batch over the model's width, mean over batches. Error: relative,
the largest of any state that is found. Over all blocks of the model.
"""

import pandas as pd

from spear.analysis.render.language import MODELS, MODES

EXPERIMENTS = ("transformer_blocks",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each model and mode, a column for each b."""
    rows = []
    for (network, training), chosen in results.groupby(["network", "network.training"], sort=False):
        row = {"model": MODELS[str(network)], "dropout": MODES[bool(training)]}
        for b, batches in chosen.groupby("batch_size"):
            share = (batches["directions"] / batches["network.width"]).mean()
            row[f"b = {b}"] = (
                f"{batches['exact'].sum()}/{len(batches)}, tokens/d {share:.2f}, "
                f"error {batches['state_error'].max():.0e}"
            )
        rows.append(row)
    return pd.DataFrame(rows).fillna("")
