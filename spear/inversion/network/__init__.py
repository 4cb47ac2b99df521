"""Whole networks from one layer pair: where one is solved, all layers of its chain are."""

from spear.inversion.network.attack import SpearNetwork
from spear.inversion.network.by_loss import SpearPairByLoss
from spear.inversion.network.to_loss import SpearPairToLoss

__all__ = ["SpearNetwork", "SpearPairByLoss", "SpearPairToLoss"]
