"""Peeling after LT codes: inputs that a neuron has to itself are subtracted, until none is left.

Shariati and Meybodi, "Cascading Gradient Inversion via LT-Code Inspired Peeling" (arXiv
2609.09659), with their code.
"""

from spear.baselines.lt_peeling.attack import LtPeeling
from spear.baselines.lt_peeling.peeling import Tolerances

__all__ = ["LtPeeling", "Tolerances"]
