"""GGL: a search over a generator's latents that needs no second derivatives.

Li et al., "Auditing privacy defenses in federated learning via generative gradient leakage" (CVPR
2022, arXiv 2203.15696). The generators are those of `spear.baselines.generative`.
"""

from spear.baselines.ggl.attack import GGL
from spear.baselines.ggl.evolution import CMAES
from spear.baselines.ggl.latent_prior import divergence

__all__ = ["CMAES", "GGL", "divergence"]
