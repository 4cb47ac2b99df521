"""Peeling, with the next layer's gradient, beside the descent on one layer; one thread per batch.

Exact: all directions right by the truth; seconds: median (10th to 90th percentile), in which a
batch that ran into the time limit counts with it; ratio: of the medians, descent over peeling, at
least that if most of the descent's batches ran into the limit. Cells without the descent were not
run with it.
"""

import pandas as pd

from spear.analysis.render.methods import OURS, PEELING
from spear.analysis.statistics.measures import times, with_deviation, with_range

EXPERIMENTS = ("peeling", "peeling_m400", "peeling_m2000")

SEARCHES = {"spear_irls": OURS, "spear_peeling": PEELING}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each m and b."""
    rows = []
    for _, batches in results.groupby(["network.width", "batch_size"]):
        m, b = (int(batches[key].iloc[0]) for key in ("network.width", "batch_size"))
        row = {"m": str(m), "b": str(b), "m/b": f"{m / b:.1f}"}
        medians = {}
        for attack, search in SEARCHES.items():
            chosen = batches[batches["attack"] == attack]
            if chosen.empty:
                continue
            medians[search] = chosen["seconds"].median()
            row |= {
                f"{search}: exact": f"{chosen['exact'].sum()}/{len(chosen)}",
                f"{search}: PSNR [dB]": with_deviation(chosen["psnr"]),
                f"{search}: seconds": with_range(chosen["seconds"]),
            }
        if len(medians) == len(SEARCHES):
            found = batches[batches["attack"] == "spear_irls"]["exact"].mean() > 0.5
            ratio = times(medians[OURS] / medians[PEELING])
            row["ratio"] = ratio if found else f"> {ratio}"
        rows.append(row)
    return pd.DataFrame(rows).fillna("")
