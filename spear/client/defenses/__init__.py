"""Defenses: ways to compute a gradient that a client is willing to share, and to compress it."""

from spear.client.defenses.base import Defense, NoDefense
from spear.client.defenses.clipping import Clipping
from spear.client.defenses.clipping_by_value import ClippingByValue
from spear.client.defenses.compression import Compression, UnbiasedCompression
from spear.client.defenses.dpsgd import (
    DPSGD,
    ClippedMean,
    NoiseMultiplier,
    NoiseOnEachExample,
    example_norms,
)
from spear.client.defenses.mixed_precision import MixedPrecision
from spear.client.defenses.noise import GaussianNoise
from spear.client.defenses.quantization import Quantization, StochasticQuantization
from spear.client.defenses.random_sparsification import RandomSparsification
from spear.client.defenses.sign import Signs
from spear.client.defenses.soteria import Soteria
from spear.client.defenses.sparsification import Sparsification
from spear.client.defenses.top_k import TopK

__all__ = [
    "DPSGD",
    "ClippedMean",
    "Clipping",
    "ClippingByValue",
    "Compression",
    "Defense",
    "GaussianNoise",
    "MixedPrecision",
    "NoDefense",
    "NoiseMultiplier",
    "NoiseOnEachExample",
    "Quantization",
    "RandomSparsification",
    "Signs",
    "Soteria",
    "Sparsification",
    "StochasticQuantization",
    "TopK",
    "UnbiasedCompression",
    "example_norms",
]
