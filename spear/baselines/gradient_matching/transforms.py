"""Defenses repeated on a candidate's gradients before they are compared with the shared ones.

The server learns all it can about the defense from the shared gradient. Noise cannot be repeated.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from spear.baselines.gradient_matching.gradients import Dense, Gradient
from spear.baselines.gradient_matching.objectives import CosineDistance, Distance, Objective

Repeat = Callable[[Mapping[str, Gradient]], Mapping[str, Gradient]]
"""A map of a candidate's gradients by parameter name to those that would have been shared."""


class GradientTransform(Protocol):
    """Repeats a defense. A new one implements `prepare`; see `conf/attack/transform/`."""

    def prepare(self, target: Mapping[str, Tensor]) -> Repeat:
        """Return what was done to `target`, the shared gradient by parameter name."""
        ...


class SharedZeros:
    """Entries that are exactly 0 in the shared gradient are 0 in the candidate's, too.

    For sparsification and Soteria. Zeros of the network's own (a neuron that no example activates)
    cannot be told from theirs and no longer count either. Masks need a gradient's entries: if there
    is a zero, the factors of a linear layer's gradient are multiplied out.
    """

    def prepare(self, target: Mapping[str, Tensor]) -> Repeat:
        """Implement `GradientTransform`."""
        masks = {name: value != 0 for name, value in target.items() if (value == 0).any()}

        def repeat(gradients: Mapping[str, Gradient]) -> Mapping[str, Gradient]:
            masked = {name: Dense(gradients[name].dense() * mask) for name, mask in masks.items()}
            return {**gradients, **masked}

        return repeat


class SharedNorm:
    """A candidate's gradient is shortened to the length of the shared one if it is longer.

    For clipping: the shared gradient's own L2 norm is the smallest possible clipping bound.
    Nothing changes for `CosineDistance`, which does not depend on lengths.
    """

    def prepare(self, target: Mapping[str, Tensor]) -> Repeat:
        """Implement `GradientTransform`."""
        bound = torch.stack([value.norm() for value in target.values()]).norm()

        def repeat(gradients: Mapping[str, Gradient]) -> Mapping[str, Gradient]:
            squares = torch.stack([gradients[name].squared_norm() for name in target])
            factor = (bound / squares.sum().sqrt()).clamp(max=1.0)
            return {name: Dense(gradients[name].dense() * factor) for name in target}

        return repeat


class Transformed:
    """A distance to gradients on which the client's defense has been repeated.

    Args:
        distance: of gradients; `CosineDistance` unless given.
        transform: the defense; none unless given.
    """

    def __init__(
        self, distance: Objective | None = None, transform: GradientTransform | None = None
    ) -> None:
        self.distance = distance or CosineDistance()
        self.transform = transform

    def prepare(self, target: Mapping[str, Tensor]) -> Distance:
        """Implement `Objective`."""
        distance = self.distance.prepare(target)
        if self.transform is None:
            return distance
        repeat = self.transform.prepare(target)
        return lambda gradients: distance(repeat(gradients))
