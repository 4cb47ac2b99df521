"""Table 9 by the paper's algorithm in its noisy mode, beside the search by descent.

Same batches, C = 2, noise sigma C on each clipped gradient. PSNR in dB, mean over batches;
"found": batches with all directions right but for noise (|cos| >= 0.9); "sampled":
submatrices of b + 1 rows (median).
"""

import pandas as pd

from spear.analysis.paper.comparison import papers
from spear.analysis.statistics.measures import count, duration

EXPERIMENTS = ("table9_sampling",)

NAMES = {"spear_noisy": "sampling", "spear_irls": "descent"}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each sigma."""
    paper = papers("table9").query("C == 2").set_index("sigma")["psnr"]
    rows = []
    for sigma, cell in results.groupby("defense.noise_multiplier"):
        row = {"sigma": f"{sigma:g}", "PSNR: paper": f"{paper[sigma]:.1f}"}
        for attack, name in NAMES.items():
            each = cell[cell["attack"] == attack]
            row[name] = f"{each['psnr'].mean():.1f}"
            near = (each["directions_near"] == each["batch_size"]).sum()
            row[f"found by {name}"] = f"{near}/{len(each)}"
            row[f"time of {name}"] = duration(each["seconds"].median())
        sampled = cell[cell["attack"] == "spear_noisy"]["submatrices"]
        row["sampled"] = count(sampled.median())
        rows.append(row)
    return pd.DataFrame(rows)
