"""Whole networks from one layer pair: where one is solved, all layers of its chain are."""

from spear.inversion.network.attack import SpearNetwork

__all__ = ["SpearNetwork"]
