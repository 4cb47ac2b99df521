"""Scores of a reconstruction by comparison with the truth, which no attack sees.

A `Scorer` runs metrics on a reconstruction and the truth; a new metric subclasses `Metric`.
"""

from spear.scoring.clients import Clients
from spear.scoring.directions import Directions
from spear.scoring.distance import WithinDistance
from spear.scoring.errors import Errors
from spear.scoring.features import Features
from spear.scoring.images import PSNR, SSIM
from spear.scoring.labels import Labels
from spear.scoring.lpips import LPIPS, load_lpips
from spear.scoring.matched import Matched
from spear.scoring.matching import match, similarities
from spear.scoring.metric import Metric
from spear.scoring.scorer import Score, Scorer, metrics_of, standard_metrics
from spear.scoring.signal_to_noise import PSNR_CAP, psnr
from spear.scoring.tables import Tables
from spear.scoring.texts import Texts
from spear.scoring.truth import Truth, truth_of

__all__ = [
    "LPIPS",
    "PSNR",
    "PSNR_CAP",
    "SSIM",
    "Clients",
    "Directions",
    "Errors",
    "Features",
    "Labels",
    "Matched",
    "Metric",
    "Score",
    "Scorer",
    "Tables",
    "Texts",
    "Truth",
    "WithinDistance",
    "load_lpips",
    "match",
    "metrics_of",
    "psnr",
    "similarities",
    "standard_metrics",
    "truth_of",
]
