"""Measures of batches for figures and tables; failed batches are included."""

import pandas as pd
from scipy.stats import binomtest, t


def spread(batches: pd.DataFrame, by: str | list[str], value: str) -> pd.DataFrame:
    """Return median, 10th and 90th percentile (`median`, `low`, `high`), a row for each group.

    A batch that ran into a limit counts with the value that it had reached. If many did, the
    results are lower bounds.
    """
    groups = batches.groupby(by)[value]
    columns = {"median": groups.median(), "low": groups.quantile(0.1), "high": groups.quantile(0.9)}
    return pd.DataFrame(columns).reset_index()


def exact(batches: pd.DataFrame, by: str | list[str]) -> pd.DataFrame:
    """Return the number of batches (`n`), of exact ones (`n_exact`), and the `share` of these."""
    groups = batches.groupby(by)["exact"]
    table = pd.DataFrame({"n": groups.size(), "n_exact": groups.sum()}).reset_index()
    return table.assign(share=table["n_exact"] / table["n"])


def exact_interval(batches: pd.DataFrame, by: str | list[str]) -> pd.DataFrame:
    """Return `exact` with the 95 % Clopper-Pearson interval of the share (`low`, `high`)."""
    table = exact(batches, by)
    pairs = zip(table["n_exact"], table["n"], strict=True)
    intervals = [binomtest(int(k), int(n)).proportion_ci(0.95) for k, n in pairs]
    return table.assign(low=[i.low for i in intervals], high=[i.high for i in intervals])


def half_width(values: pd.Series, different: int | None = None) -> float:
    """Return half of a mean's 95 % interval over batches (Student's t); NaN for one batch.

    Args:
        values: one value for each batch.
        different: number of different batches among them; all if not given.
    """
    n = different or len(values)
    return float(t.ppf(0.975, n - 1) * values.std() / n**0.5)


def mean_interval(batches: pd.DataFrame, by: str | list[str], share: str) -> pd.DataFrame:
    """Return the mean over batches of a share in [0, 1], and its interval.

    The mean is the column `median`, as `spread` names it. `low` and `high` are the ends of its 95 %
    interval by Student's t, within [0, 1]; `n` is the number of batches.
    """
    groups = batches.groupby(by)[share]
    table = pd.DataFrame({"median": groups.mean(), "n": groups.size()}).reset_index()
    half = groups.apply(half_width).fillna(0.0).to_numpy()
    low, high = table["median"] - half, table["median"] + half
    return table.assign(low=low.clip(lower=0.0), high=high.clip(upper=1.0))


def with_deviation(values: pd.Series, form: str = ".1f") -> str:
    """Return mean ± standard deviation over batches as text, both in the format `form`.

    One batch gives no deviation. Without any value the text is a dash.
    """
    if values.isna().all():
        return "-"
    deviation = f" ± {values.std():{form}}" if len(values) > 1 else ""
    return f"{values.mean():{form}}{deviation}"


def with_interval(
    values: pd.Series,
    form: str = ".1f",
    half_form: str | None = None,
    different: int | None = None,
) -> str:
    """Return mean over batches ± half of its 95 % interval as text; one batch has no interval.

    Args:
        values: one value for each batch.
        form: format of the mean.
        half_form: format of the half interval; `form` if not given.
        different: as in `half_width`.
    """
    if len(values) < 2:
        return f"{values.mean():{form}}"
    return f"{values.mean():{form}} ± {half_width(values, different):{half_form or form}}"


def proven(batches: pd.DataFrame) -> pd.Series:
    """Mark the batches that are called `exact` and are right by the truth."""
    return batches["exact"] & (batches["status"] == "exact")


def with_range(seconds: pd.Series) -> str:
    """Return the median of durations as text, and their 10th and 90th percentile in brackets.

    A batch that ran into a limit counts with the time that it had reached.
    """
    low, high = (duration(float(seconds.quantile(part))) for part in (0.1, 0.9))
    return f"{duration(seconds.median())} ({low} to {high})"


def duration(seconds: float) -> str:
    """Return seconds as text with two significant digits, in minutes, hours or more if large."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds)} s"


def times(ratio: float) -> str:
    """Return a ratio as text with two significant digits."""
    return f"{_two_digits(ratio)} x"


def count(number: float) -> str:
    """Return a count as text, with all digits below a million."""
    return (
        f"{number:,.0f}" if number < 1e6 else f"{number:.1e}".replace("e+0", "e").replace("e+", "e")
    )


def _two_digits(value: float) -> str:
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"
