"""Piecewise linear activations of two slopes."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from spear.activations.elementwise import Corner, Elementwise, Pieces


class PiecewiseLinear(Elementwise):
    """An activation whose derivatives follow from its pieces."""

    pieces: Pieces

    def slope(self, z: Tensor) -> Tensor:
        """Return the slope of the piece of z."""
        return self.pieces.slope(z)

    def curvature(self, z: Tensor) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(z)


class ReLU(PiecewiseLinear):
    """max(z, 0)."""

    name = "relu"
    homogeneous = True
    pieces = Pieces(inner=1.0, outer=0.0, lower=0.0, upper=math.inf)

    def value(self, z: Tensor) -> Tensor:
        """Return max(z, 0)."""
        return functional.relu(z)


class LeakyReLU(PiecewiseLinear):
    """z above 0, else a multiple of z.

    Args:
        negative_slope: the multiple.
    """

    name = "leaky_relu"
    homogeneous = True

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.pieces = Pieces(inner=1.0, outer=negative_slope, lower=0.0, upper=math.inf)
        self._negative_slope = negative_slope

    def value(self, z: Tensor) -> Tensor:
        """Return z above 0, else negative_slope * z."""
        return functional.leaky_relu(z, self._negative_slope)


class PReLU(PiecewiseLinear):
    """z above 0, else a learnt multiple of z; the neurons are the last dimension of z.

    Args:
        weight: the multiple: a single one, or one for each neuron (m). It is copied.
    """

    name = "prelu"
    homogeneous = True

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight.detach().clone().reshape(-1)
        outer = float(self._weight) if self._weight.numel() == 1 else self._weight
        self.pieces = Pieces(inner=1.0, outer=outer, lower=0.0, upper=math.inf)

    def value(self, z: Tensor) -> Tensor:
        """Return z above 0, else weight * z."""
        return torch.where(z > 0, z, self._weight.to(z) * z)

    def of(self, neurons: Tensor) -> "PReLU":
        """Return the PReLU of some neurons."""
        return self if self._weight.numel() == 1 else PReLU(self._weight[neurons])

    def to(self, device: torch.device | str) -> "PReLU":
        """Return the PReLU with its slopes on a device."""
        return PReLU(self._weight.to(device))


class ReLU6(PiecewiseLinear):
    """z clipped to [0, 6]."""

    name = "relu6"
    pieces = Pieces(inner=1.0, outer=0.0, lower=0.0, upper=6.0)

    def value(self, z: Tensor) -> Tensor:
        """Return z clipped to [0, 6]."""
        return functional.relu6(z)


class Hardtanh(Elementwise):
    """z clipped to [min_val, max_val]; it has no `pieces` if 0 is outside, since sigma(0) is not 0.

    Args:
        min_val, max_val: bounds of its values.
    """

    name = "hardtanh"

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self._clipped = Pieces(inner=1.0, outer=0.0, lower=min_val, upper=max_val)
        self.pieces = self._clipped if min_val <= 0 <= max_val else None

    @property
    def corners(self) -> tuple[Corner, ...]:
        """The bounds."""
        return self._clipped.corners

    def value(self, z: Tensor) -> Tensor:
        """Return z clipped to [min_val, max_val]."""
        return functional.hardtanh(z, self._clipped.lower, self._clipped.upper)

    def slope(self, z: Tensor) -> Tensor:
        """Return 1 between the bounds, else 0."""
        return self._clipped.slope(z)

    def curvature(self, z: Tensor) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(z)
