"""Table 5: larger batches by gradient matching, and by SPEAR with it as a prior.

Tiny ImageNet. PSNR in dB, mean ± standard deviation over batches; accuracy: batches with all
directions right; time: median, with its hardware. Gradient matching with a hundredth of its
authors' total variation and 300 iterations instead of 24,000, both alone and as the prior; the
paper does not say how it was set. Algorithm 1 has that prior (Sec. 6.3); the descent uses none.
The paper has 10 batches.
"""

import pandas as pd

from spear.analysis.paper.columns import WITH_RIVALS, three_columns
from spear.analysis.paper.comparison import METHOD, SPEAR, mean, seconds, share
from spear.analysis.statistics.measures import with_deviation

EXPERIMENTS = ("table5", "table5_b100")
KEYS = {METHOD: METHOD, "b": "batch_size", "m": "network.width"}
COMPARED = {
    "psnr": mean("psnr", text=with_deviation),
    "accuracy": share("exact"),
    "seconds": seconds(),
}


def prepared(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches with a column `method`, the paper's name for it."""
    return results.assign(method=results["attack"].replace("geiping_low_tv", "geiping")).replace(
        {METHOD: {"spear_prior": SPEAR, "spear_irls": SPEAR}}
    )


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each measure of each method and batch size."""
    return three_columns("table5", prepared(results), KEYS, COMPARED, again=WITH_RIVALS)
