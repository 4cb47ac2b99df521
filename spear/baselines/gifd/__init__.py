"""GIFD: gradient matching over a generator's latents, then over its inner features.

Fang et al., "GIFD: a generative gradient inversion method with feature domain optimization" (ICCV
2023, arXiv 2308.04699). The generators are those of `spear.baselines.generative`.
"""

from spear.baselines.gifd.attack import GIFD

__all__ = ["GIFD"]
