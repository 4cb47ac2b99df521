"""What each idea of the search by descent buys: batches exact, median seconds, without it."""

import pandas as pd

from analysis.ablation import EXPERIMENTS, SETTINGS, cases
from analysis.measures import duration, exact, spread

__all__ = ["EXPERIMENTS", "table"]


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each of the settings; a batch that timed out counts with its limit."""
    columns = {"settings": list(SETTINGS.values())}
    for name, batches in cases(results).items():
        by = "attack/settings"
        found = exact(batches, by).merge(spread(batches, by, "seconds")).set_index(by)
        rows = [found.loc[each] for each in SETTINGS]
        columns[f"{name}: exact"] = [f"{row['n_exact']:.0f}/{row['n']:.0f}" for row in rows]
        columns[f"{name}: median"] = [duration(row["median"]) for row in rows]
    return pd.DataFrame(columns)
