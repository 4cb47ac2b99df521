"""Images recovered from compressed updates: CIFAR-10, m = 200.

int8: whole multiples of a step, to the nearest or by chance; signs times one magnitude; entries
left out by chance (the others scaled up) or by size (top-k). "bits": of an entry's value, on
average, without those that say which entries are sent. Recovered: images of 20 dB and more, mean
over batches; in brackets, batches that are right by the truth. "given b": the server knows the
size of the batch, as FedAvg's does. Completed: `attack=spear_pruned`. PSNR in dB: mean ± standard
deviation, of the column with the highest mean.
"""

import pandas as pd

from spear.analysis.render.methods import OURS
from spear.analysis.statistics.measures import with_deviation

EXPERIMENTS = (
    "enough_compression",
    "enough_compression_known_size",
    "enough_compression_completed",
)

COLUMNS = {
    "enough_compression": OURS,
    "enough_compression_known_size": "given b",
    "enough_compression_completed": "completed (ours)",
}
"""Experiment -> heading of its column."""

NAMES = {
    "int8": "int8, nearest",
    "int8_stochastic": "int8, by chance",
    "sign": "sign",
    "random_sparsification": "left out by chance",
    "top_k": "top-k",
}
"""Defense -> what a row calls it."""

BITS = {"int8": 8, "int8_stochastic": 8, "sign": 1}
"""Defense -> bits of each entry; of the others each entry that is sent has 32."""


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each compression and batch size."""
    share = results["defense.share"] if "defense.share" in results else float("nan")
    results = results.assign(share=share).fillna({"share": 0.0})
    rows = []
    for defense, name in NAMES.items():
        own = results[results["defense"] == defense]
        for _, cell in own.groupby(["share", "batch_size"]):
            left_out, b = float(cell["share"].iloc[0]), int(cell["batch_size"].iloc[0])
            label = f"{name}, {left_out:.0%}" if left_out else name
            bits = BITS.get(defense, 32 * (1 - left_out))
            rows.append({"update": label, "bits": f"{bits:.3g}", "b": str(b), **_cells(cell)})
    return pd.DataFrame(rows).fillna("")


def _cells(cell: pd.DataFrame) -> dict[str, str]:
    found, best = {}, None
    for experiment, heading in COLUMNS.items():
        batches = cell[cell["experiment"] == experiment]
        if batches.empty:
            found[heading] = "-"
            continue
        exact = f"{int(batches['exact'].sum())}/{len(batches)}"
        found[heading] = f"{batches['recovered'].mean():.0%} ({exact})"
        if best is None or batches["psnr"].mean() > best["psnr"].mean():
            best = batches
    if best is not None:
        found["PSNR [dB]"] = with_deviation(best["psnr"])
        found["batches"] = str(len(best))
    return found
