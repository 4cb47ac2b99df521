"""Activations that are an exponential on one side and linear on the other."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from spear.activations.elementwise import Corner, Elementwise
from spear.tracing.activations import SELU_ALPHA, SELU_SCALE


class ScaledELU(Elementwise):
    """scale * z above 0, else scale * alpha * (exp(rate * z) - 1).

    Args:
        alpha, scale, rate: as above.
    """

    def __init__(self, alpha: float, scale: float, rate: float) -> None:
        self._alpha, self._scale, self._rate = alpha, scale, rate
        self.increasing_from = -math.inf if alpha > 0 else math.inf
        self.linear_from = 0.0 if alpha else math.inf

    @property
    def corners(self) -> tuple[Corner, ...]:
        """0, unless the exponential leaves with the slope of the line."""
        jump = self._scale * (1 - self._alpha * self._rate)
        return (Corner(0.0, jump),) if jump else ()

    def slope(self, z: Tensor) -> Tensor:
        """Return scale above 0, else the slope of the exponential."""
        return torch.where(z > 0, z.new_tensor(self._scale), self._rate * self._exponential(z))

    def curvature(self, z: Tensor) -> Tensor:
        """Return 0 above 0, else that of the exponential."""
        return torch.where(z > 0, z.new_zeros(()), self._rate**2 * self._exponential(z))

    def bent(self, slopes: Tensor) -> Tensor:
        """Return the z below 0 at which the exponential has given slopes, NaN if there is none."""
        z = torch.log(slopes / (self._scale * self._alpha * self._rate)) / self._rate
        return torch.where(z < 0, z, torch.nan)

    def _exponential(self, z: Tensor) -> Tensor:
        """scale * alpha * exp(rate * z), held at its value at 0 above, lest it overflow."""
        return self._scale * self._alpha * torch.exp(self._rate * z.clamp(max=0))


class ELU(ScaledELU):
    """z above 0, else alpha * (exp(z) - 1)."""

    name = "elu"

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha, scale=1.0, rate=1.0)

    def value(self, z: Tensor) -> Tensor:
        """Return z above 0, else alpha * (exp(z) - 1)."""
        return functional.elu(z, self._alpha)


class SELU(ScaledELU):
    """ELU with the scale and alpha that normalise themselves (Klambauer et al., NeurIPS 2017)."""

    name = "selu"

    def __init__(self) -> None:
        super().__init__(SELU_ALPHA, SELU_SCALE, rate=1.0)

    def value(self, z: Tensor) -> Tensor:
        """Return scale * z above 0, else scale * alpha * (exp(z) - 1)."""
        return functional.selu(z)


class CELU(ScaledELU):
    """z above 0, else alpha * (exp(z / alpha) - 1)."""

    name = "celu"

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha, scale=1.0, rate=1 / alpha)

    def value(self, z: Tensor) -> Tensor:
        """Return z above 0, else alpha * (exp(z / alpha) - 1)."""
        return functional.celu(z, self._alpha)


class Softplus(Elementwise):
    """log(1 + exp(beta * z)) / beta, and z itself where beta * z > threshold."""

    name = "softplus"
    increasing_from = -math.inf

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self._beta, self._threshold = beta, threshold

    def value(self, z: Tensor) -> Tensor:
        """Return log(1 + exp(beta * z)) / beta, or z."""
        return functional.softplus(z, self._beta, self._threshold)

    def slope(self, z: Tensor) -> Tensor:
        """Return the logistic function of beta * z, or 1."""
        scaled = self._beta * z
        return torch.where(scaled > self._threshold, z.new_ones(()), torch.sigmoid(scaled))

    def curvature(self, z: Tensor) -> Tensor:
        """Return beta times the slope of the logistic function, or 0."""
        scaled = self._beta * z
        bent = self._beta * torch.sigmoid(scaled) * torch.sigmoid(-scaled)
        return torch.where(scaled > self._threshold, z.new_zeros(()), bent)
