"""Our results beside the paper's: one row a cell of a table, with a verdict.

The paper's values are in `analysis/paper/`, a file a table, copied from its text.
"""

from pathlib import Path

import pandas as pd
from scipy.stats import binomtest, t

PAPER = Path(__file__).parent / "paper"


def papers(table: str) -> pd.DataFrame:
    """The paper's table; accuracy in per cent, PSNR in dB."""
    return pd.read_csv(PAPER / f"{table}.csv")


def accuracy_verdict(right: int, n: int, paper: float) -> str:
    """Better, equal within the 95 % Clopper-Pearson interval of ours, or worse.

    Args:
        right, n: batches that we count as right, of n.
        paper: its share in per cent.
    """
    interval = binomtest(right, n).proportion_ci(0.95)
    if interval.low <= paper / 100 <= interval.high:
        return "equal"
    return "better" if 100 * right / n > paper else "worse"


def half_width(values: pd.Series) -> float:
    """Half the 95 % confidence interval of the mean of a few batches (Student's t); NaN for one."""
    return float(t.ppf(0.975, len(values) - 1) * values.std() / len(values) ** 0.5)


def mean_verdict(values: pd.Series, paper: float) -> str:
    """Better (larger), equal within the 95 % interval of our mean, or worse."""
    difference = values.mean() - paper
    if abs(difference) <= half_width(values):
        return "equal"
    return "better" if difference > 0 else "worse"


def beside(batches: pd.DataFrame, keys: dict[str, str], table: str) -> pd.DataFrame:
    """PSNR and accuracy of every cell, ours and the paper's, as text.

    A batch is right when each of its pictures has a PSNR of at least 20 dB
    (`spear.metrics.RECOVERED_PSNR`); the paper does not say from where on it counts a noisy one.

    Args:
        batches: ours, with `psnr` and `recovered`.
        keys: column of the paper's table -> column of ours that identify a cell.
        table: name of the paper's.
    """
    rows = []
    for _, cell in papers(table).iterrows():
        ours = batches
        for theirs, name in keys.items():
            ours = ours[(ours[name] - cell[theirs]).abs() <= 1e-9 * abs(cell[theirs])]
        if ours.empty:
            continue
        right, n = int((ours["recovered"] == 1.0).sum()), len(ours)
        rows.append(
            {
                **{key: f"{cell[key]:g}" for key in keys},
                "PSNR: paper": f"{cell['psnr']:.1f}",
                "ours": f"{ours['psnr'].mean():.1f} ± {ours['psnr'].std():.1f}",
                "PSNR": mean_verdict(ours["psnr"], cell["psnr"]),
                "accuracy: paper": f"{cell['accuracy']:.0f} %",
                "ours ": f"{right}/{n}",
                "accuracy": accuracy_verdict(right, n, cell["accuracy"]),
                "seconds": f"{ours['seconds'].median():.2f}",
            }
        )
    return pd.DataFrame(rows)
