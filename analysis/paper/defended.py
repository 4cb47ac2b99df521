"""Cells of Tables 9 to 11, on DP-SGD and local training: which of our batches belong to each."""

import pandas as pd

from spear.analysis.paper.comparison import METHOD, SPEAR
from spear.analysis.render.methods import is_rival

TABLE9 = {METHOD: METHOD, "C": "defense.max_norm", "sigma": "sigma"}
TABLE10 = {"E": "fedavg.epochs", "mini_batch": "mini_batch"}
TABLE11 = {"eta": "fedavg.learning_rate"}
"""Column of the paper's table -> ours, as in `spear.analysis.paper.comparison.cell_of`."""


COMPARED_NOISE = "dpsgd_each"
"""Choice of defense whose reading of sigma stands beside the paper's: sigma C is the deviation of
the noise on each example's clipped gradient."""


def of_table9(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches beside Table 9, with columns `method`, `near` (`with_near`) and `sigma`.

    They are those of `COMPARED_NOISE`, of rivals, and of other readings without noise, where all
    readings are the same.
    """
    results = with_near(results)
    multiplier, deviation = (
        results[name] if name in results else pd.Series(float("nan"), results.index)
        for name in ("defense.noise_multiplier", "defense.noise_std")
    )
    each = results["defense"] == COMPARED_NOISE
    sigma = multiplier.where(each, deviation)
    chosen = each | (deviation == 0) | (results[METHOD] != SPEAR)
    return results.assign(sigma=sigma)[chosen].reset_index(drop=True)


def with_near(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches of Table 9 with columns `method` and `near`.

    `near` is true if all directions are right but for noise; of gradient matching, which finds no
    directions, if every image has 20 dB.
    """
    rival = results["attack"].map(is_rival)
    near = results["directions_near"] == results["batch_size"]
    if "recovered" in results:
        near = near.mask(rival, results["recovered"] == 1.0)
    return results.assign(near=near, method=rival.map({True: "geiping", False: SPEAR}))


def with_mini_batch(results: pd.DataFrame) -> pd.DataFrame:
    """Return the batches of Table 10 with the size of a mini-batch; that of a full batch is b."""
    full = results["fedavg.batch_size"].fillna(results["batch_size"])
    return results.assign(mini_batch=full)
