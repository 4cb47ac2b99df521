"""GradInversion: gradient matching by several seeds at once that keep near their mean.

Yin et al., "See through gradients: image batch recovery via GradInversion" (CVPR 2021, arXiv
2104.07586).
"""

from spear.baselines.gradinversion.attack import GradInversion
from spear.baselines.gradinversion.terms import BatchNormDistance, ImageNorm, LayerwiseDistance

__all__ = ["BatchNormDistance", "GradInversion", "ImageNorm", "LayerwiseDistance"]
