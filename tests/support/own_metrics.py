"""Metrics of a user's own package, which a configuration names."""

from types import MappingProxyType

from spear.scoring import Matched, Metric


class WorstPixel(Metric):
    """Largest error of a pixel, and whether it is above a threshold.

    Args:
        threshold: in the unit of the pixels.
    """

    names = ("worst_pixel", "visible")
    kinds = MappingProxyType({"visible": bool})

    def __init__(self, threshold: float = 0.05) -> None:
        self.threshold = threshold

    def __call__(self, matched: Matched) -> dict[str, float | bool]:
        worst = (matched.found - matched.true).abs().max().item()
        return {"worst_pixel": worst, "visible": worst > self.threshold}


class Psnr(WorstPixel):
    """Has a name that is taken."""

    names = ("psnr",)
