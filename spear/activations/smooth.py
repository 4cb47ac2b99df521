"""Sigmoids, and activations that are z times a gate: GELU, SiLU, Mish, hard swish.

Products such as s(z) s(-z) stand for s (1 - s), which cancels if |z| is large.
"""

import math
from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from spear.activations.elementwise import Corner, Elementwise


class Tanh(Elementwise):
    """Hyperbolic tangent."""

    name = "tanh"
    increasing_from = -math.inf

    def value(self, z: Tensor) -> Tensor:
        """Return tanh(z)."""
        return torch.tanh(z)

    def slope(self, z: Tensor) -> Tensor:
        """Return 1 / cosh(z)^2."""
        return _sech2(z)

    def curvature(self, z: Tensor) -> Tensor:
        """Return -2 tanh(z) / cosh(z)^2."""
        return -2 * torch.tanh(z) * _sech2(z)


class Sigmoid(Elementwise):
    """Logistic function s(z) = 1 / (1 + exp(-z))."""

    name = "sigmoid"
    increasing_from = -math.inf

    def value(self, z: Tensor) -> Tensor:
        """Return s(z)."""
        return torch.sigmoid(z)

    def slope(self, z: Tensor) -> Tensor:
        """Return s(z) s(-z)."""
        return _logistic(z).slope

    def curvature(self, z: Tensor) -> Tensor:
        """Return s(z) s(-z) (1 - 2 s(z))."""
        return _logistic(z).curvature


class Gate(NamedTuple):
    """A function of z between 0 and 1 and its derivatives, each of z's shape."""

    value: Tensor
    slope: Tensor
    curvature: Tensor


class Gated(Elementwise):
    """z g(z), for a gate g: its slope is g + z g', its curvature 2 g' + z g''.

    Where z < 0, so is z g(z), and it takes each of its values there twice.
    """

    increasing_from = 0.0

    def slope(self, z: Tensor) -> Tensor:
        """Return g + z g'."""
        gate = self.gate(z)
        return gate.value + z * gate.slope

    def curvature(self, z: Tensor) -> Tensor:
        """Return 2 g' + z g''."""
        gate = self.gate(z)
        return 2 * gate.slope + z * gate.curvature

    @abstractmethod
    def gate(self, z: Tensor) -> Gate:
        """Return g at z."""


class SiLU(Gated):
    """z times the logistic function."""

    name = "silu"

    def value(self, z: Tensor) -> Tensor:
        """Return z s(z)."""
        return functional.silu(z)

    def gate(self, z: Tensor) -> Gate:
        """Return the logistic function."""
        return _logistic(z)


class GELU(Gated):
    """z times the normal distribution's cumulative distribution function, or nearly so.

    Args:
        approximate: "none", or "tanh" for the logistic function of a cubic in its place.
    """

    name = "gelu"

    def __init__(self, approximate: str = "none") -> None:
        self._approximate = approximate

    def value(self, z: Tensor) -> Tensor:
        """Return z g(z)."""
        return functional.gelu(z, approximate=self._approximate)

    def gate(self, z: Tensor) -> Gate:
        """Return the distribution function or its approximation."""
        return _normal(z) if self._approximate == "none" else _nearly_normal(z)


class Mish(Gated):
    """z times the hyperbolic tangent of softplus."""

    name = "mish"

    def value(self, z: Tensor) -> Tensor:
        """Return z tanh(log(1 + exp(z)))."""
        return functional.mish(z)

    def gate(self, z: Tensor) -> Gate:
        """Return tanh(p) for p = log(1 + exp(z))."""
        plus = -functional.logsigmoid(-z)
        inner = _logistic(z)  # p' and its derivatives
        bend = _sech2(plus)
        curvature = bend * (inner.slope - 2 * torch.tanh(plus) * inner.value**2)
        return Gate(torch.tanh(plus), bend * inner.value, curvature)


class Hardswish(Gated):
    """z times z / 6 + 1/2, clipped to [0, 1]."""

    name = "hardswish"

    @property
    def corners(self) -> tuple[Corner, ...]:
        """The ends of the slope of the gate."""
        return Corner(-3.0, -0.5), Corner(3.0, -0.5)

    def value(self, z: Tensor) -> Tensor:
        """Return z clip(z / 6 + 1/2)."""
        return functional.hardswish(z)

    def gate(self, z: Tensor) -> Gate:
        """Return clip(z / 6 + 1/2), whose kinks belong to the flat parts."""
        inside = (z > -3) & (z < 3)
        return Gate((z / 6 + 0.5).clamp(0, 1), inside.to(z) / 6, torch.zeros_like(z))


def _sech2(z: Tensor) -> Tensor:
    """1 / cosh(z)^2; where cosh overflows, it is 0."""
    return torch.cosh(z).reciprocal().square()


def _logistic(z: Tensor) -> Gate:
    """s(z), s' = s(z) s(-z), s'' = s' (s(-z) - s(z))."""
    up, down = torch.sigmoid(z), torch.sigmoid(-z)
    return Gate(up, up * down, up * down * (down - up))


def _normal(z: Tensor) -> Gate:
    """Cumulative distribution function of the normal distribution."""
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return Gate(torch.special.ndtr(z), density, -z * density)


def _nearly_normal(z: Tensor) -> Gate:
    """s(2 u) for u = sqrt(2 / pi) (z + 0.044715 z^3) (Hendrycks and Gimpel, 2016)."""
    scale, cubic = 2 * math.sqrt(2 / math.pi), 0.044715  # scale is of 2 u
    outer = _logistic(scale * (z + cubic * z**3))
    slope = scale * (1 + 3 * cubic * z**2)
    bend = 6 * scale * cubic * z
    return Gate(outer.value, outer.slope * slope, outer.curvature * slope**2 + outer.slope * bend)
