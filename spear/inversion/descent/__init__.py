"""Directions by descent: iteratively reweighted least squares, certificate, completion."""

from spear.inversion.descent.attack import SpearIrls
from spear.inversion.descent.rounds import Settings

__all__ = ["Settings", "SpearIrls"]
