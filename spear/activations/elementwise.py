"""Interface of an elementwise activation: sigma and its first two derivatives."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Corner(NamedTuple):
    """A place where sigma' jumps.

    Attributes:
        position: z there.
        jump: sigma' right of it less sigma' left of it; a Tensor (m) has one for each neuron.
    """

    position: float
    jump: float | Tensor


@dataclass(frozen=True, eq=False)
class Pieces:
    """The two slopes of a continuous, piecewise linear sigma with sigma(0) = 0.

    Attributes:
        inner: sigma' where lower < z < upper, for every neuron; there, sigma(z) = inner * z.
        outer: sigma' elsewhere; a Tensor (m) has one for each neuron.
        lower, upper: where the slope changes, lower <= 0 <= upper; infinite if it does not on that
            side.
    """

    inner: float
    outer: float | Tensor
    lower: float
    upper: float

    @property
    def corners(self) -> tuple[Corner, ...]:
        """The ends of the inner piece."""
        jump = self.inner - self.outer
        ends = Corner(self.lower, jump), Corner(self.upper, -jump)
        return tuple(end for end in ends if math.isfinite(end.position))

    def inside(self, z: Tensor) -> Tensor:
        """Return where the slope is `inner` (booleans of z's shape)."""
        return (z > self.lower) & (z < self.upper)

    def slope(self, z: Tensor) -> Tensor:
        """Return sigma'(z); at a kink it is `outer`, as PyTorch's backward has it."""
        return torch.where(self.inside(z), z.new_tensor(self.inner), self._outer(z))

    def offset(self, z: Tensor) -> Tensor:
        """Return t such that sigma(z) = slope(z) z + t, constant within each piece."""
        beyond = (self.inner - self._outer(z)) * z.clamp(self.lower, self.upper)
        return torch.where(self.inside(z), torch.zeros_like(z), beyond)

    def _outer(self, z: Tensor) -> Tensor:
        return torch.as_tensor(self.outer, dtype=z.dtype, device=z.device)


class Elementwise(ABC):
    """sigma, applied to each entry, with its first two derivatives.

    An activation of your own needs a name and `value`; autograd differentiates it. Methods take
    float32 or float64 and return the precision and device of z. They carry no state.

    Attributes:
        name: as in `torch.nn.functional`, e.g. "gelu".
        homogeneous: whether sigma(t z) = t sigma(z) for all t > 0, as of ReLU and leaky ReLU.
        pieces: slopes if sigma is piecewise linear with two of them and sigma(0) = 0; else None.
        increasing_from: sigma increases strictly above this z, and takes its values there nowhere
            else. Infinite, as it is unless told, means that nothing of the kind is known.
        linear_from: sigma' is constant above this z, and below it tells z (`bent`); infinite
            unless told.
    """

    name: str
    homogeneous: bool = False
    pieces: Pieces | None = None
    increasing_from: float = math.inf
    linear_from: float = math.inf

    @property
    def corners(self) -> tuple[Corner, ...]:
        """Places where sigma' jumps; unless told, the ends of `pieces`."""
        return () if self.pieces is None else self.pieces.corners

    @abstractmethod
    def value(self, z: Tensor) -> Tensor:
        """Return sigma(z), for z (... x m)."""

    def slope(self, z: Tensor) -> Tensor:
        """Return sigma'(z) almost everywhere, as PyTorch's backward has it (ReLU: 0 at 0)."""
        return self._derivative(z, 1)

    def curvature(self, z: Tensor) -> Tensor:
        """Return sigma''(z) almost everywhere: zeros if sigma is piecewise linear."""
        return self._derivative(z, 2)

    def bent(self, slopes: Tensor) -> Tensor:
        """Return z below `linear_from` at which sigma' has given values, NaN if there is none."""
        return torch.full_like(slopes, torch.nan)

    def of(self, neurons: Tensor) -> "Elementwise":
        """Return the same activation on some of the m neurons.

        Args:
            neurons: their indices, or a mask (m).
        """
        return self

    def to(self, device: torch.device | str) -> "Elementwise":
        """Return the same activation, with what it holds on a device."""
        return self

    def _derivative(self, z: Tensor, order: int) -> Tensor:
        """Differentiate `value` by autograd, inside `no_grad` and inference mode too."""
        with torch.inference_mode(False), torch.enable_grad():
            z = z.detach().clone().requires_grad_()
            found = self.value(z)
            for _ in range(order):
                if not found.requires_grad:
                    return torch.zeros_like(z)
                (found,) = torch.autograd.grad(
                    found, z, torch.ones_like(found), create_graph=True, materialize_grads=True
                )
        return found.detach()
