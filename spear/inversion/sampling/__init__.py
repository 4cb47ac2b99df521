"""Directions from random submatrices: Algorithm 1, its noisy mode, and with a prior."""

from spear.inversion.sampling.attack import Spear
from spear.inversion.sampling.noisy import SpearNoisy
from spear.inversion.sampling.overdetermined import KernelSampler, LeverageKernels, SvdKernels
from spear.inversion.sampling.prior import SpearPrior
from spear.inversion.sampling.samplers import InformationSetSampler, Sampler, SvdSampler

__all__ = [
    "InformationSetSampler",
    "KernelSampler",
    "LeverageKernels",
    "Sampler",
    "Spear",
    "SpearNoisy",
    "SpearPrior",
    "SvdKernels",
    "SvdSampler",
]
