"""Noise that stops the attack, and its worth as differential privacy: CIFAR-10, m = 200.

DP-SGD with clipping to C = 1 and Opacus's noise multiplier: the deviation of the noise on the sum
of the clipped gradients, divided by C. noise / |g|: noise in an entry of the shared mean as a
multiple of the median magnitude of the undefended gradient of the attacked layer. epsilon: of one
update, at delta = 1e-5, by Opacus's accountant. Noise that stops this attack is far below what DP
asks for (epsilon of 10 and less), and says nothing about attacks with a prior. Recovered: images
of 20 dB and more; directions: share with |cos| >= 0.9.
"""

import pandas as pd

from spear.analysis.statistics.measures import with_deviation
from spear.analysis.statistics.privacy import epsilon
from spear.client.defenses import NoiseMultiplier

EXPERIMENTS = ("enough_noise",)

MULTIPLIER = "defense.noise_multiplier"


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each batch size and noise multiplier."""
    groups = results.groupby(["batch_size", MULTIPLIER])
    return pd.DataFrame([_row(batches) for _, batches in groups])


def _row(batches: pd.DataFrame) -> dict[str, str]:
    b, multiplier = int(batches["batch_size"].iloc[0]), float(batches[MULTIPLIER].iloc[0])
    noise = NoiseMultiplier(float(batches["defense.max_norm"].iloc[0]), multiplier).deviation(b)
    psnr = batches["psnr"]
    return {
        "b": str(b),
        "noise multiplier": f"{multiplier:g}",
        "noise / |g|": f"{noise / batches['gradient_median'].median():.2g}",
        "epsilon": f"{epsilon(multiplier):.2g}",
        "batches": str(len(batches)),
        "PSNR [dB]": with_deviation(psnr),
        "bound [dB]": f"{batches['psnr_bound'].mean():.1f}",
        "recovered": f"{batches['recovered'].mean():.0%}",
        "directions": f"{batches['directions_near'].mean() / b:.0%}",
    }
