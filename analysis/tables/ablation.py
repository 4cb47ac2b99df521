"""Ablation of the search by descent: exact batches, median seconds without each of its ideas."""

import pandas as pd

from spear.analysis.statistics.ablation import SETTINGS, cases
from spear.analysis.statistics.measures import duration, exact, spread

EXPERIMENTS = ("ablation", "ablation_pixels")


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each setting; a batch that timed out counts with its limit."""
    columns = {"settings": list(SETTINGS.values())}
    for name, batches in cases(results).items():
        by = "attack/settings"
        found = exact(batches, by).merge(spread(batches, by, "seconds")).set_index(by)
        found = found.loc[list(SETTINGS)]
        columns[f"{name}: exact"] = list(
            found["n_exact"].astype(str) + "/" + found["n"].astype(str)
        )
        columns[f"{name}: median"] = [duration(each) for each in found["median"]]
    return pd.DataFrame(columns)
