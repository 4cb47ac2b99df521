"""Label recovery: the label of a single sample, hard or soft, from the last layer's gradient.

Wang et al., "Towards eliminating hard label constraints in gradient inversion attacks" (ICLR 2024,
arXiv 2402.03124): `LabelRecovery`, `AnalyticInversion`, and the parts by which gradient matching
uses the recovered label and feature. Zhao, Mopuri and Bilen, "iDLG: improved deep leakage from
gradients" (2020, arXiv 2001.02610): `SignRecovery`. For batches see `spear.inversion.labels`.
"""

from spear.baselines.label_recovery.analytic import AnalyticInversion
from spear.baselines.label_recovery.attack import LabelRecovery, LastLayerAttack, SignRecovery
from spear.baselines.label_recovery.counted import CountedLabels
from spear.baselines.label_recovery.lambda_search import (
    DifferentialEvolution,
    DualAnnealing,
    GridSearch,
    LambdaSearch,
)
from spear.baselines.label_recovery.targets import RecoveredFeatureDistance, RecoveredLabels

__all__ = [
    "AnalyticInversion",
    "CountedLabels",
    "DifferentialEvolution",
    "DualAnnealing",
    "GridSearch",
    "LabelRecovery",
    "LambdaSearch",
    "LastLayerAttack",
    "RecoveredFeatureDistance",
    "RecoveredLabels",
    "SignRecovery",
]
