"""Table 9: DP-SGD by clipping norm C and noise sigma, Tiny ImageNet, b = 20.

PSNR in dB, mean ± standard deviation over batches; accuracy: batches of which each picture has at
least 20 dB; seconds: median; sigma / |g|: the noise as a multiple of the median magnitude of the
undefended gradient of the attacked layer (the paper: about 1 at sigma = 1e-4).
"""

import pandas as pd

from analysis.reproduction import beside

EXPERIMENTS = ("table9",)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each of the paper's."""
    keys = {"C": "defense.max_norm", "sigma": "defense.noise_std"}
    rows = beside(results, keys, "table9")
    median = results["gradient_median"].median()
    ratios = [f"{float(sigma) / median:.2g}" for sigma in rows["sigma"]]
    rows.insert(2, "sigma / |g|", ratios)
    return rows
