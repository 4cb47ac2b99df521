"""Table 2: rows of ADULT, b = 16, beside TabLeak.

Discrete accuracy: share of categories that are right, in per cent. Continuous MAE: mean absolute
error of the six numbers, each in its own unit (the final weight `fnlwgt`, in the hundred
thousands, outweighs the others). Mean over batches ± half of its 95 % confidence interval
(Student's t). Right: share of all entries that are right, numbers to within 0.319 standard
deviations, as TabLeak counts them; the paper does not have it. Rows are matched to have the fewest
wrong entries. Time: median of ours on one thread, the paper's on a GPU.

TabLeak is given the labels; SPEAR is not. The paper does not say how many batches its rows have.
"""

import pandas as pd

from spear.analysis.paper.comparison import cell_of, mean, mean_verdict, papers
from spear.analysis.statistics.measures import duration, with_interval

EXPERIMENTS = ("table2",)
KEYS = {"method": "method"}
COMPARED = {
    "discrete_accuracy": mean("discrete_percent"),
    "continuous_mae": mean("continuous_mae", higher_is_better=False),
}

NAMES = {"spear": "SPEAR", "tableak": "TabLeak"}


def prepared(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches with columns `method`, the paper's name for it, and `discrete_percent`."""
    return results.assign(
        method=results["attack"].replace("spear_irls", "spear"),
        discrete_percent=100 * results["discrete_accuracy"],
    )


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each method that has results."""
    results = prepared(results)
    rows = []
    for _, paper in papers("table2").iterrows():
        ours = cell_of(results, paper, KEYS)
        if ours.empty:
            continue
        discrete, error = ours["discrete_percent"], ours["continuous_mae"]
        rows.append(
            {
                "method": NAMES[paper["method"]],
                "batches": f"{len(ours)}",
                "discrete: paper": f"{paper['discrete_accuracy']:g} %",
                "ours": f"{with_interval(discrete)} %",
                "discrete": mean_verdict(discrete, paper["discrete_accuracy"]),
                "MAE: paper": f"{paper['continuous_mae']:,.1f}",
                "ours ": with_interval(error, ",.1f"),
                "MAE": mean_verdict(-error, -paper["continuous_mae"]),
                "right": f"{100 * ours['tabular_accuracy'].mean():.1f} %",
                "time: paper": duration(paper["seconds"]),
                "ours  ": duration(float(ours["seconds"].median())),
            }
        )
    return pd.DataFrame(rows)
