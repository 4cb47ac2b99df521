"""Refit of a whole batch to the gradients of all layers, by Gauss-Newton steps.

The unknowns are all pixels and dL/dy, the equations all entries of the shared update, each divided
by its rounding. Products with the Jacobian J and its transpose come from differentiating the
gradients once more. Each step solves J^T J z = -J^T r by conjugate gradients.

Preconditioner: the patches enter the gradient of their projection as (dL/dx)^T patches, and dL/dy
enters that of the last layer as (dL/dy)^T [f, 1]. Their Gram matrices couple the patches and the
outputs of the batch, and the rest of the network is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spear.budget import Budget
from spear.vision.first_block import first_block
from spear.vision.passes import Batch, Passes
from spear.vision.proof import roundings

STEPS, ITERATIONS = 4, 40
"""Gauss-Newton steps at most, and conjugate gradients of each."""

STALLED = 0.5
"""Share of the sum of squares that a step leaves if no batch has this update."""

ENOUGH = 2.0
"""Misfit of every parameter, in units of its rounding, at which the refit ends."""

SMALL = 1e-12
"""Decrease of the residual at which the conjugate gradients end."""

RIDGE = 1e-12
"""Added to a Gram matrix, relative to its largest diagonal entry."""

Vectors = Sequence[Tensor]


@dataclass(frozen=True)
class _Linearised:
    """Equations around a batch: residuals r, and products with J^T, J and the preconditioner."""

    residuals: Vectors
    transposed: Callable[[Vectors], Vectors]
    forward: Callable[[Vectors], Vectors]
    nearly_inverse: Callable[[Vectors], Vectors]


def refit(
    model: nn.Module, passes: Passes, batch: Batch, shared: Mapping[str, Tensor], budget: Budget
) -> Batch:
    """Return a batch that explains the shared update better, or the batch itself.

    Args:
        model: with the parameters of the client.
        passes: of the model, in float64.
        batch: near the client's.
        shared: the client's gradients by name.
        budget: after which no step begins, and the last one ends early.
    """
    own = passes.gradients(batch)
    rounding = roundings(model, own, batch, shared)
    scales = {name: rounding[name] / own[name].numel() ** 0.5 for name in shared}
    for _ in range(STEPS):
        misfits = _squares(own, shared, scales)
        if (misfits / _sizes(shared)).max() <= ENOUGH**2 or budget.over():
            break
        step = _conjugate_gradients(_linearised(model, passes, batch, shared, scales), budget)
        tried = Batch(batch.images + step[0], batch.outputs + step[1])
        moved = passes.gradients(tried)
        left = _squares(moved, shared, scales).sum() / misfits.sum()
        if left < 1:
            batch, own = tried, moved
        if not left < STALLED:
            break
    return batch


def _squares(
    own: Mapping[str, Tensor], shared: Mapping[str, Tensor], scales: Mapping[str, float]
) -> Tensor:
    """Sum of squares of the residuals of each parameter."""
    found = [((own[k] - each) / scales[k]).square().sum() for k, each in shared.items()]
    return torch.stack(found)


def _sizes(shared: Mapping[str, Tensor]) -> Tensor:
    return torch.tensor([each.numel() for each in shared.values()])


def _linearised(
    model: nn.Module,
    passes: Passes,
    batch: Batch,
    shared: Mapping[str, Tensor],
    scales: Mapping[str, float],
) -> _Linearised:
    images = batch.images.clone().requires_grad_()
    outputs = batch.outputs.clone().requires_grad_()
    at = images, outputs
    gradients = passes.differentiable(Batch(images, outputs))
    scaled = [gradients[name] / scales[name] for name in shared]
    given = [each / scales[name] for name, each in shared.items()]
    residuals = [own.detach() - each for own, each in zip(scaled, given, strict=True)]
    # J^T u is linear in u, so that its derivative in direction v is J v.
    sides = [torch.zeros_like(each, requires_grad=True) for each in scaled]
    back = torch.autograd.grad(scaled, at, sides, create_graph=True)
    return _Linearised(
        residuals,
        lambda vectors: torch.autograd.grad(scaled, at, vectors, retain_graph=True),
        lambda vectors: torch.autograd.grad(back, sides, vectors, retain_graph=True),
        _preconditioner(model, passes, batch, scales),
    )


def _preconditioner(
    model: nn.Module, passes: Passes, batch: Batch, scales: Mapping[str, float]
) -> Callable[[Vectors], Vectors]:
    grid = first_block(model).grid
    tokens = passes.patch_gradients(batch) / scales["conv_proj.weight"]
    features = passes.features(batch.images) / scales[f"{passes.head_name}.weight"]
    of_tokens, of_features = _factor(tokens), _factor(features)

    def nearly_inverse(vectors: Vectors) -> Vectors:
        images, outputs = vectors
        patches = torch.cholesky_solve(grid.cut(images).flatten(0, 1), of_tokens)
        solved = grid.joined(patches.reshape(len(images), grid.patches, -1))
        return solved, torch.cholesky_solve(outputs, of_features)

    return nearly_inverse


def _factor(rows: Tensor) -> Tensor:
    gram = rows @ rows.T
    gram.diagonal().add_(RIDGE * gram.diagonal().max())
    return torch.linalg.cholesky(gram)


def _conjugate_gradients(at: _Linearised, budget: Budget) -> Vectors:
    """The step z with J^T J z = -J^T r, nearly."""
    rest = [-each for each in at.transposed(at.residuals)]
    step = [torch.zeros_like(each) for each in rest]
    direction = preconditioned = at.nearly_inverse(rest)
    size = first = _product(rest, preconditioned)
    for _ in range(ITERATIONS):
        moved = at.transposed(at.forward(direction))
        length = size / _product(direction, moved)
        step = [each + length * along for each, along in zip(step, direction, strict=True)]
        rest = [each - length * along for each, along in zip(rest, moved, strict=True)]
        preconditioned = at.nearly_inverse(rest)
        before, size = size, _product(rest, preconditioned)
        if not size > SMALL * first or budget.over():
            break
        pairs = zip(preconditioned, direction, strict=True)
        direction = [each + size / before * along for each, along in pairs]
    return step


def _product(one: Vectors, other: Vectors) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in zip(one, other, strict=True)]).sum()
