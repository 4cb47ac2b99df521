"""Our results beside the paper's: a row for each value that the paper gives, with a verdict.

The paper's values are in `analysis/paper/`, a file for each table, copied from its text. A table's
module says which of our columns corresponds to each of them (`KEYS`, `COMPARED`).
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from scipy.stats import binomtest

from spear.analysis.statistics.measures import half_width, with_deviation

PAPER = Path(__file__).parent

Measure = Callable[[pd.DataFrame, float], tuple[float, str]]
"""Function of our batches of a cell and the paper's value: returns our value and a verdict."""


def papers(table: str) -> pd.DataFrame:
    """Return the paper's table; accuracy in per cent, PSNR in dB."""
    return pd.read_csv(PAPER / f"{table}.csv")


def share(column: str) -> Measure:
    """Measure the batches for which `column` is true, in per cent.

    The verdict is as in `accuracy_verdict`.
    """

    def measure(batches: pd.DataFrame, paper: float) -> tuple[float, str]:
        right, n = int(batches[column].sum()), len(batches)
        return 100 * right / n, accuracy_verdict(right, n, paper)

    return measure


def mean(column: str, *, higher_is_better: bool = True) -> Measure:
    """Measure the mean over batches; the verdict is as in `mean_verdict`."""

    def measure(batches: pd.DataFrame, paper: float) -> tuple[float, str]:
        sign = 1 if higher_is_better else -1
        return float(batches[column].mean()), mean_verdict(sign * batches[column], sign * paper)

    return measure


def accuracy_verdict(right: int, n: int, paper: float) -> str:
    """Return "better", "worse", or "equal" (within the 95 % Clopper-Pearson interval of ours).

    Args:
        right, n: batches that we count as right, of n.
        paper: its share in per cent.
    """
    interval = binomtest(right, n).proportion_ci(0.95)
    if interval.low <= paper / 100 <= interval.high:
        return "equal"
    return "better" if 100 * right / n > paper else "worse"


def mean_verdict(values: pd.Series, paper: float) -> str:
    """Return "better" (higher), "worse", or "equal" (within the 95 % interval of our mean)."""
    difference, error = values.mean() - paper, half_width(values)
    if abs(difference) <= error:
        return "equal"
    return "better" if difference > 0 else "worse"


def cell_of(ours: pd.DataFrame, paper: pd.Series, keys: dict[str, str]) -> pd.DataFrame:
    """Return our batches of one of the paper's cells.

    Args:
        ours: our batches.
        paper: a row of the paper's table.
        keys: column of the paper's table -> our column; together they identify a cell.
    """
    for theirs, name in keys.items():
        value = paper[theirs]
        if isinstance(value, str):
            ours = ours[ours[name] == value]
        else:
            ours = ours[(ours[name].astype(float) - value).abs() <= 1e-9 * abs(value)]
    return ours


def comparisons(
    table: str, ours: pd.DataFrame, keys: dict[str, str], compared: dict[str, Measure]
) -> pd.DataFrame:
    """Return a row for each value of the paper's table that we have batches for.

    Args:
        table: name of the paper's table.
        ours: our batches.
        keys: as in `cell_of`.
        compared: column of the paper's table -> measure of ours.

    Returns:
        Columns table, cell, measure, paper, ours, batches, verdict.
    """
    rows = []
    for _, paper in papers(table).iterrows():
        batches = cell_of(ours, paper, keys)
        for measure, of in compared.items():
            if len(batches) and pd.notna(paper[measure]):
                value, verdict = of(batches, paper[measure])
                cell = ", ".join(f"{key} = {_text(paper[key])}" for key in keys)
                rows.append((table, cell, measure, paper[measure], value, len(batches), verdict))
    columns = ["table", "cell", "measure", "paper", "ours", "batches", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def beside(
    batches: pd.DataFrame, keys: dict[str, str], table: str, right: str = "exact"
) -> pd.DataFrame:
    """Return PSNR and accuracy of every cell, ours and the paper's, as text.

    Args:
        batches: our batches, with `psnr`, `psnr_bound` and the column that `right` names.
        keys: as in `cell_of`.
        table: name of the paper's table.
        right: column that says which batches count as right.
    """
    rows = []
    for _, cell in papers(table).iterrows():
        ours = cell_of(batches, cell, keys)
        if ours.empty:
            continue
        n_right, n = int(ours[right].sum()), len(ours)
        rows.append(
            {
                **{key: _text(cell[key]) for key in keys},
                "PSNR: paper": f"{cell['psnr']:.1f}",
                "ours": with_deviation(ours["psnr"]),
                "bound": f"{ours['psnr_bound'].mean():.1f}",
                "PSNR": mean_verdict(ours["psnr"], cell["psnr"]),
                "accuracy: paper": f"{cell['accuracy']:.0f} %",
                "ours ": f"{n_right}/{n}",
                "accuracy": accuracy_verdict(n_right, n, cell["accuracy"]),
                "seconds": f"{ours['seconds'].median():.2f}",
            }
        )
    return pd.DataFrame(rows)


def _text(key: object) -> str:
    return f"{key:g}" if isinstance(key, float | int) else str(key)
