"""APRIL: closed form for one image behind the gradient of a vision transformer.

Lu et al., "APRIL: Finding the Achilles' Heel on Privacy for Vision Transformers" (CVPR 2022).
"""

from spear.baselines.april.attack import April

__all__ = ["April"]
