"""Exact inversion of pruned gradients: what pruning removed follows from what it left."""

from spear.inversion.completion.attack import SpearPruned
from spear.inversion.completion.completed import Completed, complete

__all__ = ["Completed", "SpearPruned", "complete"]
