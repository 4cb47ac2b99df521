"""Table 9 under three readings of sigma: noise on the mean, on each example, or on their sum.

Sigma may be the deviation of an entry of the mean gradient, or as a multiple of C that of each
example's gradient or of their sum (Opacus). `python -m benchmarks.dpsgd_conventions` shows which of
them explain the paper's values.

PSNR in dB, mean ± standard deviation over batches; accuracy and bound as in `table9`; noise / |g|:
the noise in an entry of the mean as a multiple of the median magnitude of the undefended gradient
of the attacked layer (the paper: about 1 at sigma = 1e-4). Algorithm 1 in its noisy mode
(App. E.6), on the first batches of its cells, within 5 min each.

`table9` compares the reading with noise on each example (docs/theory/noise-of-table-9.md).
"""

import pandas as pd

from spear.analysis.paper.columns import by_cell
from spear.analysis.paper.comparison import METHOD, mean, share
from spear.analysis.paper.defended import with_near
from spear.analysis.statistics.measures import with_deviation
from spear.client.defenses import DPSGD, ClippedMean, NoiseMultiplier, NoiseOnEachExample

EXPERIMENTS = ("table9", "table9_noise_per_example", "table9_noise_on_sum")
ALSO = ("table9_to_the_letter", "table9_sampling")

SCALES: dict[str, tuple[str, str, type[ClippedMean]]] = {
    "dpsgd": ("on the mean", "noise_std", DPSGD),
    "dpsgd_each": ("on each example", "noise_multiplier", NoiseOnEachExample),
    "dpsgd_opacus": ("on the sum", "noise_multiplier", NoiseMultiplier),
}
"""Choice of defense -> reading of sigma, its key, and its class."""

MEASURES = {"psnr": mean("psnr", "PSNR", text=with_deviation), "accuracy": share("near")}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each row of the paper's table and each scale of the noise."""
    tables = [
        _of_scale(results[results["defense"] == choice], *scale)
        for choice, scale in SCALES.items()
        if (results["defense"] == choice).any()
    ]
    return pd.concat(tables, ignore_index=True)


def _of_scale(
    results: pd.DataFrame, scale: str, key: str, defense: type[ClippedMean]
) -> pd.DataFrame:
    keys = {METHOD: METHOD, "C": "defense.max_norm", "sigma": f"defense.{key}"}
    rows = by_cell("table9", with_near(results), keys, MEASURES).drop(columns=METHOD)
    median, b = results["gradient_median"].median(), int(results["batch_size"].iloc[0])
    settings = [{"max_norm": float(c), key: float(s)} for c, s in rows[["C", "sigma"]].to_numpy()]
    ratios = [f"{defense(**each).deviation(b) / median:.2g}" for each in settings]
    rows.insert(0, "sigma is", scale)
    rows.insert(3, "noise / |g|", ratios)
    return rows
