"""Defenses: how a client computes the gradient that it is willing to share."""

from spear.defenses.base import Defense, NoDefense
from spear.defenses.clipping import Clipping
from spear.defenses.dpsgd import DPSGD, ClippedMean, NoiseMultiplier, NoiseOnEachExample
from spear.defenses.noise import GaussianNoise
from spear.defenses.soteria import Soteria
from spear.defenses.sparsification import Sparsification

__all__ = [
    "DPSGD",
    "ClippedMean",
    "Clipping",
    "Defense",
    "GaussianNoise",
    "NoDefense",
    "NoiseMultiplier",
    "NoiseOnEachExample",
    "Soteria",
    "Sparsification",
]
