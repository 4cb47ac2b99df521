"""From the paper's Algorithm 1 to the searches of this suite, on the same batches; one thread.

The second to fourth row change one step of Algorithm 1 each ("one stage": no second stage of
GreedyFilter); "leverage test" adds to the refit, "information sets" to both. Exact: all directions
right by the truth; PSNR in dB, mean ± standard deviation over batches; submatrices and seconds:
medians.
"""

import pandas as pd

from spear.analysis.statistics.measures import count, duration, with_deviation

EXPERIMENTS = ("ablation_from_paper",)

ROWS = {
    "spear_paper": "Algorithm 1 (the paper's SPEAR)",
    "spear_paper_one_stage": "Algorithm 1, one stage",
    "spear_paper_float64": "+ decompositions in float64",
    "spear_paper_refitted": "+ refit to all zeros (from float32)",
    "spear_paper_determined": "+ leverage test",
    "spear": "+ information sets",
    "spear_irls": "descent (ours) instead of sampling",
    "spear_peeling": "peeling, with the next layer's gradient",
}
"""Attack -> name of the row, in the order of the rows."""


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each attack."""
    rows = []
    for attack, name in ROWS.items():
        cell = results[results["attack"] == attack]
        if cell.empty:
            continue
        drawn = cell["submatrices"].median()
        rows.append(
            {
                "search": name,
                "exact": f"{cell['exact'].sum()}/{len(cell)}",
                "PSNR": with_deviation(cell["psnr"]),
                "submatrices": count(drawn) if drawn > 0 else "-",
                "seconds": duration(cell["seconds"].median()),
            }
        )
    return pd.DataFrame(rows)
