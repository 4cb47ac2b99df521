"""Refit of a whole batch to the gradients of all layers, by Gauss-Newton steps.

The unknowns are all pixels and dL/dy, the equations all entries of the shared update, each divided
by its rounding. Products with the Jacobian J and its transpose come from differentiating the
gradients once more, in float32: steps need few digits, and the residuals are computed in float64.
Each step solves J^T J z = -J^T r by preconditioned conjugate gradients.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.budget import Budget
from spear.vision.first_block import FirstBlock
from spear.vision.passes import Batch, Passes
from spear.vision.preconditioner import Preconditioner, Vectors
from spear.vision.proof import roundings

STEPS, ITERATIONS = 8, 60
"""Gauss-Newton steps at most, and conjugate gradients of each."""

STALLED = 0.5
"""Share of the sum of squares that a step leaves if no batch has this update."""

ENOUGH = 2.0
"""Misfit of every parameter, in units of its rounding, at which the refit ends."""

SLOW = 1e-4
"""Share of the sum of squares that an iteration takes away at which a step ends."""


@dataclass(frozen=True)
class _Linearised:
    """Products with J^T and J around a batch, in float32, and with the preconditioner."""

    transposed: Callable[[Vectors], Vectors]
    forward: Callable[[Vectors], Vectors]
    nearly_inverse: Callable[[Vectors], Vectors]

    def normal(self, vectors: Vectors) -> Vectors:
        """J^T J of changes of images and dL/dy."""
        return _double(self.transposed(self.forward(_single(vectors))))


def refit(
    block: FirstBlock, passes: Passes, batch: Batch, shared: Mapping[str, Tensor], budget: Budget
) -> Batch:
    """Return a batch that explains the shared update better, or the batch itself.

    Args:
        block: the first of the model.
        passes: of the model, in float64.
        batch: near the client's.
        shared: the client's gradients by name.
        budget: after which no step begins, and the last one ends early.
    """
    own, single = passes.gradients(batch), passes.single()
    for _ in range(STEPS):
        rounding = roundings(passes, own, batch, shared)
        scales = {name: rounding[name] / max(own[name].numel(), 1) ** 0.5 for name in shared}
        residuals = _residuals(own, shared, scales)
        before = _squares(residuals)
        if (before / _sizes(shared)).max() <= ENOUGH**2 or budget.over():
            break
        try:
            at = _linearised(block, passes, single, batch, scales)
        except RuntimeError:  # of torch.linalg
            break  # what was found before stands
        step = _conjugate_gradients(at, residuals, budget)
        tried = Batch(batch.images + step[0], batch.outputs + step[1])
        moved = passes.gradients(tried)
        left = _squares(_residuals(moved, shared, scales)).sum() / before.sum()
        if left < 1:
            batch, own = tried, moved
        if not left < STALLED:
            break
    return batch


def _residuals(
    own: Mapping[str, Tensor], shared: Mapping[str, Tensor], scales: Mapping[str, float]
) -> list[Tensor]:
    return [(own[name] - each) / scales[name] for name, each in shared.items()]


def _squares(residuals: Vectors) -> Tensor:
    """Sum of squares of the residuals of each parameter."""
    return torch.stack([each.square().sum() for each in residuals])


def _sizes(shared: Mapping[str, Tensor]) -> Tensor:
    return torch.tensor([each.numel() for each in shared.values()])


def _linearised(
    block: FirstBlock, passes: Passes, single: Passes, batch: Batch, scales: Mapping[str, float]
) -> _Linearised:
    images = batch.images.float().requires_grad_()
    outputs = batch.outputs.float().requires_grad_()
    at = images, outputs
    gradients = single.differentiable(Batch(images, outputs))
    scaled = [gradients[name] / scale for name, scale in scales.items()]
    # J^T u is linear in u, so that its derivative in direction v is J v.
    sides = [torch.zeros_like(each, requires_grad=True) for each in scaled]
    back = torch.autograd.grad(scaled, at, sides, create_graph=True)
    return _Linearised(
        lambda vectors: torch.autograd.grad(scaled, at, vectors, retain_graph=True),
        lambda vectors: torch.autograd.grad(
            back, sides, vectors, retain_graph=True, allow_unused=True, materialize_grads=True
        ),
        Preconditioner(block, passes, batch, scales),
    )


def _conjugate_gradients(at: _Linearised, residuals: Vectors, budget: Budget) -> Vectors:
    """The step z with J^T J z = -J^T r, nearly."""
    left = float(_squares(residuals).sum())
    rest = [-each for each in _double(at.transposed(_single(residuals)))]
    step = [torch.zeros_like(each) for each in rest]
    direction = preconditioned = at.nearly_inverse(rest)
    size = _product(rest, preconditioned)
    for _ in range(ITERATIONS):
        moved = at.normal(direction)
        length = size / _product(direction, moved)
        step = [each + length * along for each, along in zip(step, direction, strict=True)]
        rest = [each - length * along for each, along in zip(rest, moved, strict=True)]
        gain = float(length * size)
        left -= gain
        if gain < SLOW * left or budget.over():
            break
        preconditioned = at.nearly_inverse(rest)
        before, size = size, _product(rest, preconditioned)
        pairs = zip(preconditioned, direction, strict=True)
        direction = [each + size / before * along for each, along in pairs]
    return step


def _single(vectors: Vectors) -> Vectors:
    return [each.float() for each in vectors]


def _double(vectors: Vectors) -> Vectors:
    return [each.double() for each in vectors]


def _product(one: Vectors, other: Vectors) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in zip(one, other, strict=True)]).sum()
