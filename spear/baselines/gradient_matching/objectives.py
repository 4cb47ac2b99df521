"""Distances of a candidate's gradients from those that the client shared."""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from spear.baselines.gradient_matching.gradients import Gradient
from spear.baselines.gradient_matching.low_rank import factored

Distance = Callable[[Mapping[str, Gradient]], Tensor]
"""From gradients by parameter name to a differentiable scalar."""


class Objective(Protocol):
    """A distance between two gradients of the whole network.

    A new objective implements `prepare` and is named in a file of `conf/attack/`.
    """

    def prepare(self, target: Mapping[str, Tensor]) -> Distance:
        """The distance to `target`, the gradients that the client shared, by parameter name."""
        ...


class CosineDistance:
    """1 - <g, g*> / (|g| |g*|), all parameters concatenated (Geiping et al., NeurIPS 2020).

    In [0, 2], and independent of the length of the gradients.
    """

    def prepare(self, target: Mapping[str, Tensor]) -> Distance:
        """Implement `Objective`."""
        # In float64, once: in float32 the norm of a large layer would be off by some 1e-6.
        norm = torch.stack([value.double().norm() for value in target.values()]).norm()
        unit = {name: factored((value / norm).to(value.dtype)) for name, value in target.items()}

        def distance(gradients: Mapping[str, Gradient]) -> Tensor:
            inner = torch.stack([gradients[name].inner(value) for name, value in unit.items()])
            squares = torch.stack([gradients[name].squared_norm() for name in unit])
            return 1.0 - inner.sum() / squares.sum().sqrt()

        return distance


class SquaredDistance:
    """|g - g*|^2, all parameters concatenated (DLG: Zhu et al., NeurIPS 2019)."""

    def prepare(self, target: Mapping[str, Tensor]) -> Distance:
        """Implement `Objective`."""

        def distance(gradients: Mapping[str, Gradient]) -> Tensor:
            # The entries themselves: in |g|^2 - 2 <g, g*> + |g*|^2 small distances would cancel.
            errors = [(gradients[name].dense() - value) for name, value in target.items()]
            return torch.stack([error.square().sum() for error in errors]).sum()

        return distance
