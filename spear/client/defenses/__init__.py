"""Defenses: ways to compute a gradient that a client is willing to share."""

from spear.client.defenses.base import Defense, NoDefense
from spear.client.defenses.clipping import Clipping
from spear.client.defenses.dpsgd import DPSGD, ClippedMean, NoiseMultiplier, NoiseOnEachExample
from spear.client.defenses.noise import GaussianNoise
from spear.client.defenses.soteria import Soteria
from spear.client.defenses.sparsification import Sparsification

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
