"""Refit of a whole batch to the gradients of all layers, by Gauss-Newton steps.

The unknowns are all pixels and dL/dy, the equations all entries of the shared update, each divided
by its rounding. Products with the Jacobian J and its transpose come from differentiating the
gradients once more, in float32: steps need few digits, and the residuals are computed in float64.
Each step solves J^T J z = -J^T r by preconditioned conjugate gradients.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from spear.budget import Budget
from spear.vision.first_block import FirstBlock
from spear.vision.passes import Batch, Passes
from spear.vision.preconditioner import Preconditioner, Vectors
from spear.vision.proof import roundings

STEPS, PORTIONS, ITERATIONS = 8, 8, 30
"""Gauss-Newton steps at most, portions of each, after which its pixels are tried, and conjugate
gradients of a portion: to begin anew would forget the directions that were searched."""

CURVED = 2.0
"""Sum of squares, relative to that of the linear equations, from which a new step is better."""

STALLED = 0.5
"""Share of the sum of squares that a step leaves if no batch has this update."""

ENOUGH = 1.5
"""Misfit of every parameter, in units of its rounding, at which the refit ends: less than a proof
needs, as an error that remains could hide a patch, too."""

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


@dataclass(frozen=True)
class _Comparison:
    """Gradients of batches beside the shared ones, in units of the rounding of an entry."""

    passes: Passes
    shared: Mapping[str, Tensor]
    scales: Mapping[str, float]

    @classmethod
    def around(cls, passes: Passes, batch: Batch, shared: Mapping[str, Tensor]) -> Self:
        """With the rounding at a batch."""
        rounding = roundings(passes, passes.gradients(batch), batch, shared)
        scales = {
            name: rounding[name] / max(each.numel(), 1) ** 0.5 for name, each in shared.items()
        }
        return cls(passes, shared, scales)

    def residuals(self, batch: Batch) -> list[Tensor]:
        """Differences, a tensor for each parameter."""
        own = self.passes.gradients(batch)
        return [(own[name] - each) / self.scales[name] for name, each in self.shared.items()]


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
    single = passes.single()
    for _ in range(STEPS):
        comparison = _Comparison.around(passes, batch, shared)
        residuals = comparison.residuals(batch)
        if _misfit(residuals) <= ENOUGH or budget.over():
            break
        try:
            at = _linearised(block, passes, single, batch, comparison.scales)
        except RuntimeError:  # of torch.linalg
            break  # what was found before stands
        batch, left = _stepped(at, comparison, batch, residuals, budget)
        if not left < STALLED:
            break
    return batch


def _stepped(
    at: _Linearised, comparison: _Comparison, start: Batch, residuals: Vectors, budget: Budget
) -> tuple[Batch, float]:
    """The batch with the least misfit on a Gauss-Newton step, and the share of squares left."""
    batch, misfit = start, _misfit(residuals)
    before = left = float(_squares(residuals).sum())
    for step, expected in _conjugate_gradients(at, residuals, budget):
        moved = Batch(start.images + step[0], start.outputs + step[1])
        # The last layer tells dL/dy better than the steps do, unless its features are still off.
        tried = [moved, comparison.passes.supposed(moved.images, comparison.shared)]
        rests = [comparison.residuals(each) for each in tried]
        for each, rest in zip(tried, rests, strict=True):
            if _misfit(rest) < misfit:
                batch, misfit = each, _misfit(rest)
        left = float(_squares(rests[0]).sum())
        if misfit <= ENOUGH or not left < min(CURVED * expected, STALLED * before):
            break
    return batch, left / before


def _squares(residuals: Vectors) -> Tensor:
    """Sum of squares of the residuals of each parameter."""
    return torch.stack([each.square().sum() for each in residuals])


def _misfit(residuals: Vectors) -> float:
    """Largest residual of a parameter, as root mean square."""
    sizes = torch.tensor([max(each.numel(), 1) for each in residuals])
    return float((_squares(residuals) / sizes).max().sqrt())


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


def _conjugate_gradients(
    at: _Linearised, residuals: Vectors, budget: Budget
) -> Iterator[tuple[Vectors, float]]:
    """The step z with J^T J z = -J^T r, more nearly after each portion, and |r + J z|^2."""
    left = float(_squares(residuals).sum())
    rest = [-each for each in _double(at.transposed(_single(residuals)))]
    step = [torch.zeros_like(each) for each in rest]
    direction = preconditioned = at.nearly_inverse(rest)
    size = _product(rest, preconditioned)
    for turn in range(1, PORTIONS * ITERATIONS + 1):
        moved = at.normal(direction)
        length = size / _product(direction, moved)
        step = [each + length * along for each, along in zip(step, direction, strict=True)]
        rest = [each - length * along for each, along in zip(rest, moved, strict=True)]
        gain = float(length * size)
        left -= gain
        last = gain < SLOW * left or budget.over()
        if last or turn % ITERATIONS == 0:
            yield step, left
        if last:
            break
        preconditioned = at.nearly_inverse(rest)
        before, size = size, _product(rest, preconditioned)
        pairs = zip(preconditioned, direction, strict=True)
        direction = [each + size / before * along for each, along in pairs]


def _single(vectors: Vectors) -> Vectors:
    return [each.float() for each in vectors]


def _double(vectors: Vectors) -> Vectors:
    return [each.double() for each in vectors]


def _product(one: Vectors, other: Vectors) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in zip(one, other, strict=True)]).sum()
