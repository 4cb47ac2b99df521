"""Table 9: DP-SGD by clipping norm C and noise sigma, Tiny ImageNet, b = 20.

PSNR in dB, mean ± standard deviation over batches; bound: least squares if dL/dZ were known;
accuracy: batches with all directions right but for noise (|cos| >= 0.9); seconds: median;
sigma / |g|: the noise as a multiple of the median magnitude of the undefended gradient of the
attacked layer (the paper: about 1 at sigma = 1e-4).
"""

import pandas as pd

from spear.analysis.paper.comparison import beside, mean, share

EXPERIMENTS = ("table9",)
KEYS = {"C": "defense.max_norm", "sigma": "defense.noise_std"}
COMPARED = {"psnr": mean("psnr"), "accuracy": share("near")}


def prepared(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches with a column that is true if all directions are right but for noise."""
    return results.assign(near=results["directions_near"] == results["batch_size"])


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each row of the paper's table."""
    rows = beside(prepared(results), KEYS, "table9", right="near")
    median = results["gradient_median"].median()
    ratios = [f"{float(sigma) / median:.2g}" for sigma in rows["sigma"]]
    rows.insert(2, "sigma / |g|", ratios)
    return rows
