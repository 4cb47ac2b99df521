"""Gradient matching: descent to inputs that have the gradient that the client shared.

Zhu, Liu and Han, "Deep leakage from gradients" (DLG; NeurIPS 2019, arXiv 1906.08935), and Geiping,
Bauermeister, Droege and Moeller, "Inverting gradients: how easy is it to break privacy in federated
learning?" (NeurIPS 2020, arXiv 2003.14053). `GradientMatching` is composed of the other
classes of this room: `conf/attack/dlg.yaml` and `geiping.yaml`.
"""

from spear.baselines.gradient_matching.attack import GradientMatching
from spear.baselines.gradient_matching.initialisation import Initialisation, Normal, PatternedNormal
from spear.baselines.gradient_matching.labels import GivenLabels, JointLabels, Labels
from spear.baselines.gradient_matching.objectives import CosineDistance, Objective, SquaredDistance
from spear.baselines.gradient_matching.optimisers import LBFGS, Adam, Optimiser, Sign, SoftSign
from spear.baselines.gradient_matching.regularisers import (
    AbsoluteVariation,
    FeatureDistance,
    Regulariser,
    TotalVariation,
)
from spear.baselines.gradient_matching.schedules import (
    Constant,
    Cosine,
    Schedule,
    StepDecay,
    WarmUpCosine,
    WarmUpRampDown,
)
from spear.baselines.gradient_matching.transforms import (
    GradientTransform,
    SharedNorm,
    SharedZeros,
    Transformed,
)

__all__ = [
    "LBFGS",
    "AbsoluteVariation",
    "Adam",
    "Constant",
    "Cosine",
    "CosineDistance",
    "FeatureDistance",
    "GivenLabels",
    "GradientMatching",
    "GradientTransform",
    "Initialisation",
    "JointLabels",
    "Labels",
    "Normal",
    "Objective",
    "Optimiser",
    "PatternedNormal",
    "Regulariser",
    "Schedule",
    "SharedNorm",
    "SharedZeros",
    "Sign",
    "SoftSign",
    "SquaredDistance",
    "StepDecay",
    "TotalVariation",
    "Transformed",
    "WarmUpCosine",
    "WarmUpRampDown",
]
