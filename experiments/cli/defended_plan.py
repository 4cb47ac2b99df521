"""Defenses that leave a search without a forecast, since no record tells its time."""

from omegaconf import DictConfig

from spear.client.defenses import (
    ClippedMean,
    ClippingByValue,
    Compression,
    GaussianNoise,
    Sparsification,
)
from spear.experiments.config.build import build

COMPRESSIONS = (Compression, Sparsification, ClippingByValue)
"""Defenses that change entries of a gradient, so that its rank is not the batch's any more."""

MOST_NOISE = 1e-5
"""Deviation in an entry up to which the noise of a record tells the time of another search.

Beyond, it hides small singular values of some gradients and not of others: at 1e-4 a search
takes five rounds on CIFAR10 (Table 9) and fifty on faces; at 1e-3 one on faces takes all its time.
"""


def defended(config: DictConfig) -> str:
    """Return the reason that a job's defense leaves it without a forecast, or an empty string.

    Raises:
        SpearError: the defense cannot be used.
    """
    defense = build(config, "defense")
    if isinstance(defense, COMPRESSIONS):
        return f"no forecast for gradients after {type(defense).__name__}"
    deviation = 0.0
    if isinstance(defense, GaussianNoise):
        deviation = defense.noise_std
    elif isinstance(defense, ClippedMean):
        deviation = defense.deviation(config.batch_size)
    if deviation > MOST_NOISE:
        return (
            f"no forecast for noise of {deviation:.2g} per entry; records tell the time up to "
            f"{MOST_NOISE:g}"
        )
    return ""
