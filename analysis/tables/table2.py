"""Table 2: rows of ADULT, b = 16, beside TabLeak.

Discrete accuracy: share of categories that are right, in per cent. Continuous MAE: mean absolute
error of the six numbers, each in its own unit (the final weight `fnlwgt`, in the hundred
thousands, outweighs the others); numbers are rounded to whole ones first, as the data are. Mean
over batches ± half of its 95 % confidence interval (Student's t). Right: share of all entries that
are right, numbers to within 0.319 standard deviations, as TabLeak counts them. Rows are matched to
have the fewest wrong entries. Time: median, with its hardware.

TabLeak is given the labels; SPEAR and the descent are not. The paper does not say how many batches
its rows have.
"""

from dataclasses import replace

import pandas as pd

from spear.analysis.paper.columns import WITH_RIVALS, three_columns
from spear.analysis.paper.comparison import METHOD, SPEAR, mean, seconds
from spear.analysis.statistics.measures import with_interval

EXPERIMENTS = ("table2",)
KEYS = {METHOD: METHOD}
COMPARED = {
    "discrete_accuracy": replace(
        mean(
            "discrete_percent", "categories right", text=lambda values: f"{with_interval(values)} %"
        ),
        paper=lambda paper, _: f"{paper:g} %",
    ),
    "continuous_mae": mean(
        "continuous_mae",
        "MAE of the numbers",
        higher_is_better=False,
        text=lambda values: with_interval(values, ",.1f"),
        form=",.1f",
    ),
    "right": mean("right_percent", "right", text=lambda values: f"{values.mean():.1f} %"),
    "seconds": seconds(),
}


def prepared(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches with columns `method`, the paper's name for it, and shares in per cent."""
    return results.assign(
        method=results["attack"].where(results["attack"] == "tableak", SPEAR),
        discrete_percent=100 * results["discrete_accuracy"],
        right_percent=100 * results["tabular_accuracy"],
    )


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure of each method."""
    return three_columns("table2", prepared(results), KEYS, COMPARED, again=WITH_RIVALS)
