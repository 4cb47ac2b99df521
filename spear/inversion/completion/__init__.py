"""Exact inversion of pruned and clipped gradients: what was removed follows from what is left."""

from spear.inversion.completion.attack import SpearPruned
from spear.inversion.completion.clipped import SpearClipped
from spear.inversion.completion.completed import Completed, complete

__all__ = ["Completed", "SpearClipped", "SpearPruned", "complete"]
