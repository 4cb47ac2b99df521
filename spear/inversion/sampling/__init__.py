"""Directions from random submatrices: Algorithm 1, its noisy mode, and with a prior."""

from spear.inversion.sampling.attack import Spear
from spear.inversion.sampling.candidates import AsDrawn, Candidates, Determined, Refitted
from spear.inversion.sampling.fedavg import SpearFedAvg
from spear.inversion.sampling.noisy import SpearNoisy
from spear.inversion.sampling.overdetermined import KernelSampler, LeverageKernels, SvdKernels
from spear.inversion.sampling.paper import SpearPaper
from spear.inversion.sampling.paper_noisy import SpearPaperNoisy
from spear.inversion.sampling.prior import SpearPrior
from spear.inversion.sampling.samplers import (
    IndependentSvdSampler,
    InformationSetSampler,
    Sampler,
    SvdSampler,
)

__all__ = [
    "AsDrawn",
    "Candidates",
    "Determined",
    "IndependentSvdSampler",
    "InformationSetSampler",
    "KernelSampler",
    "LeverageKernels",
    "Refitted",
    "Sampler",
    "Spear",
    "SpearFedAvg",
    "SpearNoisy",
    "SpearPaper",
    "SpearPaperNoisy",
    "SpearPrior",
    "SvdKernels",
    "SvdSampler",
]
