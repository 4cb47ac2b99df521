"""Feature inversion: from the inputs of a linear layer back through the convolutions before it.

The second step of Kariyappa et al., "Cocktail Party Attack" (ICML 2023, arXiv 2209.05578), which
the paper takes after SPEAR, too (Section 6.4, Table 6).
"""

from spear.baselines.feature_inversion.attack import FeatureInversion

__all__ = ["FeatureInversion"]
