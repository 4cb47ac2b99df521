"""The Cocktail Party Attack (CPA): independent component analysis on a layer's weight gradient.

Kariyappa et al., "Cocktail Party Attack: breaking aggregation-based privacy in federated learning
using independent component analysis" (ICML 2023, arXiv 2209.05578), which the paper compares with
in Table 6. `spear.baselines.feature_inversion` is its second step.
"""

from spear.baselines.cocktail_party.attack import CocktailParty

__all__ = ["CocktailParty"]
