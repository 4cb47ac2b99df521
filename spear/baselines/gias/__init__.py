"""GIAS: gradient matching over a generator's latents, then over its parameters.

Jeon et al., "Gradient inversion with generative image prior" (NeurIPS 2021, arXiv 2110.14962). The
generators are those of `spear.baselines.generative`.
"""

from spear.baselines.gias.attack import GIAS

__all__ = ["GIAS"]
