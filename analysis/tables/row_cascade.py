"""Descents with the row cascade before them and without: pixels in [0, 1], one thread per batch.

Exact: all directions right by the truth; seconds: median (10th to 90th percentile), in which a
batch that ran into the time limit counts with it.
"""

import pandas as pd

from spear.analysis.statistics.measures import with_deviation, with_range

EXPERIMENTS = ("pixels_m1000",)

SEARCHES = {"full": "with it", "no_cascade": "without"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each b."""
    rows = []
    for _, batches in results.groupby("batch_size"):
        m, b = (int(batches[key].iloc[0]) for key in ("network.width", "batch_size"))
        row = {"b": str(b), "m/b": f"{m / b:.1f}"}
        for settings, search in SEARCHES.items():
            chosen = batches[batches["attack/settings"] == settings]
            if chosen.empty:
                continue
            row |= {
                f"{search}: exact": f"{chosen['exact'].sum()}/{len(chosen)}",
                f"{search}: PSNR [dB]": with_deviation(chosen["psnr"]),
                f"{search}: seconds": with_range(chosen["seconds"]),
            }
        rows.append(row)
    return pd.DataFrame(rows).fillna("")
