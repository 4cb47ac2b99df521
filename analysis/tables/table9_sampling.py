"""Table 9 by Algorithm 1 in its noisy mode (App. E.6), beside the descent (ours).

Same batches, C = 2, noise sigma C on each clipped gradient, at most 5 min per batch. PSNR in dB,
mean over batches; "found": batches with all directions right but for noise (|cos| >= 0.9);
submatrices, of b + 1 rows, and times: medians.
"""

import pandas as pd

from spear.analysis.paper.comparison import papers
from spear.analysis.render.methods import ALGORITHM_1, OURS
from spear.analysis.statistics.measures import count, duration

EXPERIMENTS = ("table9_sampling",)

NAMES = {"spear_noisy": ALGORITHM_1, "spear_irls": OURS}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each sigma."""
    paper = papers("table9").query("C == 2 and method == 'spear'").set_index("sigma")["psnr"]
    rows = []
    for sigma, cell in results.groupby("defense.noise_multiplier"):
        row = {"sigma": f"{sigma:g}", "PSNR: the paper": f"{paper[sigma]:.1f}"}
        for attack, name in NAMES.items():
            each = cell[cell["attack"] == attack]
            row[name] = f"{each['psnr'].mean():.1f}"
            near = (each["directions_near"] == each["batch_size"]).sum()
            row[f"found by {name}"] = f"{near}/{len(each)}"
            row[f"time of {name}"] = duration(each["seconds"].median())
        sampled = cell[cell["attack"] == "spear_noisy"]["submatrices"]
        row["submatrices"] = count(sampled.median())
        rows.append(row)
    return pd.DataFrame(rows)
