"""GIFD: gradient matching over a generator's latents, then over its inner features.

Fang et al., "GIFD: a generative gradient inversion method with feature domain optimization" (ICCV
2023, arXiv 2308.04699). `DCGAN` is a generator small enough to be trained by `Training`.
"""

from spear.baselines.gifd.attack import GIFD
from spear.baselines.gifd.dcgan import DCGAN
from spear.baselines.gifd.generator import Generator
from spear.baselines.gifd.training import Training

__all__ = ["DCGAN", "GIFD", "Generator", "Training"]
