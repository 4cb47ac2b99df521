"""Images recovered from pruned gradients: CIFAR-10, m = 200.

In the gradient of each parameter the share of entries of least magnitude is set to 0. Recovered:
images of 20 dB and more, mean over batches; in brackets, batches that are right by the truth.
"Entries open": input entries that the gradient's entries left do not determine, of 3,072; median.
PSNR in dB: mean ± standard deviation. Completed: `attack=spear_pruned`.
"""

import pandas as pd

from spear.analysis.render.methods import ALGORITHM_1, OURS
from spear.analysis.statistics.measures import duration, with_deviation

EXPERIMENTS = ("enough_pruning",)

COMPLETED = "spear_pruned"

NAMES = {COMPLETED: "completed (ours)", "spear_irls": OURS, "spear": ALGORITHM_1}
"""Attack -> heading of its column."""


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each batch size and share."""
    groups = results.groupby(["batch_size", "defense.share"])
    return pd.DataFrame([_row(cell) for _, cell in groups])


def _row(cell: pd.DataFrame) -> dict[str, str]:
    row = {
        "b": str(cell["batch_size"].iloc[0]),
        "pruned": f"{cell['defense.share'].iloc[0]:.0%}",
    }
    for attack, name in NAMES.items():
        batches = cell[cell["attack"] == attack]
        row[name] = _recovered(batches) if len(batches) else "-"
    own = cell[cell["attack"] == COMPLETED]
    if own.empty:
        return row
    row["PSNR [dB]"] = with_deviation(own["psnr"])
    row["entries open"] = f"{own['details.open'].median():,.0f}"
    row["seconds"] = duration(float(own["seconds"].median()))
    row["batches"] = str(len(own))
    return row


def _recovered(batches: pd.DataFrame) -> str:
    exact = f"{int(batches['exact'].sum())}/{len(batches)}"
    return f"{batches['recovered'].mean():.0%} ({exact})"
