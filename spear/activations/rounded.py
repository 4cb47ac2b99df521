"""An activation with its corners rounded, for descents that would stop at them."""

import torch
from torch import Tensor
from torch.nn import functional

from spear.activations.elementwise import Elementwise


class Rounded(Elementwise):
    """sigma with a differentiable slope: it tends to sigma as the width tends to 0.

    A jump J of sigma' at k is J max(u, 0) with u = z - k, up to a differentiable function. In its
    stead stands J w log(1 + exp(u / w)), which is J w log(1 + exp(-|u| / w)) more.

    Args:
        activation: sigma.
        width: w, in the units of z.
    """

    def __init__(self, activation: Elementwise, width: float) -> None:
        self.name = f"rounded {activation.name}"
        self._sharp, self._width = activation, width

    def value(self, z: Tensor) -> Tensor:
        """Return sigma(z) and what rounds its corners."""
        found = self._sharp.value(z)
        for position, jump in self._sharp.corners:
            distance = (z - position).abs() / self._width
            found = found + jump * self._width * functional.softplus(-distance)
        return found

    def slope(self, z: Tensor) -> Tensor:
        """Return the slope, which is continuous."""
        found = self._sharp.slope(z)
        for position, jump in self._sharp.corners:
            offset = (z - position) / self._width
            found = found - jump * offset.sign() * torch.sigmoid(-offset.abs())
        return found

    def curvature(self, z: Tensor) -> Tensor:
        """Return sigma's curvature and that of the rounded corners."""
        found = self._sharp.curvature(z)
        for position, jump in self._sharp.corners:
            away = torch.sigmoid(-(z - position).abs() / self._width)
            found = found + jump * away * (1 - away) / self._width
        return found

    def of(self, neurons: Tensor) -> "Rounded":
        """Return the same on some neurons."""
        return Rounded(self._sharp.of(neurons), self._width)

    def to(self, device: torch.device | str) -> "Rounded":
        """Return the same on a device."""
        return Rounded(self._sharp.to(device), self._width)
