"""Bounds on the errors of a pair's inputs, if the errors of both gradients are independent.

`isolation` supposes that all of the tolerance lies in the worst direction. Rounding has no
direction. Let J be the Jacobian of both consistencies in v, for the row p = p0 + N v of a sample,
and r their residuals, each equation divided by its deviation. The v of the true row lies near
v - J^+ r, with the covariance (J^T J)^-1. As |x| is |S p| up to a common factor,

    |dx| <= |S N J^+ r| + DEVIATIONS sqrt(tr((S N) (J^T J)^-1 (S N)^T)).

q and e of backward consistency are eliminated: both are free, but for their common scale. The
deviation is that of rounding, that of the gradient's errors, or that of the sample's own residuals,
whichever is largest. Derivation: docs/theory/layer-pairs.md.
"""

import torch
from torch import Tensor

from spear.inversion.pair.backward import kernels_of
from spear.inversion.pair.forward_search import evenly_spaced
from spear.inversion.pair.isolation import AT_ONCE
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace

DEVIATIONS = 10.0
"""Error of an input that the bound allows for, in deviations of independent errors; those measured
are up to 4.4."""

ROUNDING = torch.finfo(torch.float32).eps
"""Least deviation of an equation, relative to its left side."""

NEURONS = 6
"""Neurons that are looked at behind a smooth activation, as a multiple of b: backward consistency
has up to 3 b unknowns."""

System = tuple[Tensor, Tensor]
"""Jacobians (k x m' x d) and residuals (k x m') of samples, in units of their deviations."""


def likely_errors(
    problem: PairProblem, rows: Tensor, which: Tensor, forward: Tensor, backward: Tensor
) -> Tensor:
    """Bound the relative errors of some inputs (k).

    Args:
        problem: the whole layer pair, of two samples or more.
        rows: P, of a solution (b x b).
        which: indices of the samples (k).
        forward, backward: relative residual to expect of each sample (b each).

    Returns:
        A huge, infinite or undefined number if the equations leave an input open.
    """
    if problem.activation.pieces is not None:
        return _errors_of_directions(problem, rows, backward)[which]
    parts = torch.split(which, AT_ONCE)
    return torch.cat([_of_some(problem, rows[k], forward[k], backward[k]) for k in parts])


def _of_some(problem: PairProblem, rows: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
    space, neurons = RowSpace.of(problem), evenly_spaced(problem, NEURONS)
    systems = [_backward(problem, space, neurons, rows, backward)]
    if problem.spans_activations:
        systems.append(_forward(problem, space, neurons, rows, forward))
    jacobian, residual = (torch.cat(each, dim=1) for each in zip(*systems, strict=True))
    basis, triangle = torch.linalg.qr(jacobian)
    values = problem.first.singular_values
    gains = torch.linalg.solve_triangular(
        triangle, (values[:, None] * space.basis).expand(len(rows), -1, -1), upper=True, left=False
    )
    steps = (gains @ (basis.mT @ residual[:, :, None]))[:, :, 0]
    errors = torch.linalg.vector_norm(steps, dim=1) + DEVIATIONS * torch.linalg.matrix_norm(gains)
    return errors / torch.linalg.vector_norm(values * rows, dim=1)


def _forward(
    problem: PairProblem, space: RowSpace, neurons: Tensor, rows: Tensor, expected: Tensor
) -> System:
    """Forward consistency on some neurons."""
    sigma, z = problem.activation.of(neurons), problem.pre_activations(rows)[:, neurons]
    spanned, a = torch.linalg.qr(problem.activations[:, neurons].T).Q, sigma.value(z)
    moved = sigma.slope(z)[:, :, None] * (problem.first.projected_weight[neurons] @ space.basis)
    residuals = a - (a @ spanned) @ spanned.T
    deviations = deviation(residuals, a, expected, problem.b + space.dimension)
    jacobian = moved - spanned @ (spanned.T @ moved)
    return jacobian / deviations[:, None, None], residuals / deviations[:, None]


def _backward(
    problem: PairProblem, space: RowSpace, neurons: Tensor, rows: Tensor, expected: Tensor
) -> System:
    """Backward consistency on some neurons, without what q and e make up for."""
    sigma, z = problem.activation.of(neurons), problem.pre_activations(rows)[:, neurons]
    left, back, slopes = problem.left[neurons], problem.back[neurons], sigma.slope(z)
    size = torch.linalg.vector_norm(left) / torch.linalg.vector_norm(back)
    directions, nexts, _ = kernels_of(left, back, slopes)
    lefts = left.expand(len(rows), -1, -1)
    equations = torch.cat([lefts, -slopes[:, :, None] * (size * back)], dim=2)
    kernels = torch.cat([directions, nexts / size], dim=1)
    free = torch.linalg.qr(_beside(equations, kernels)).Q
    bent = sigma.curvature(z) * (nexts @ back.T)
    moved = -bent[:, :, None] * (problem.first.projected_weight[neurons] @ space.basis)
    residuals = (equations @ kernels[:, :, None])[:, :, 0]
    unknowns = free.shape[2] + space.dimension
    deviations = deviation(residuals, directions @ left.T, expected, unknowns)
    jacobian = moved - free @ (free.mT @ moved)
    return jacobian / deviations[:, None, None], residuals / deviations[:, None]


def deviation(residuals: Tensor, sides: Tensor, expected: Tensor, unknowns: int) -> Tensor:
    """Return the deviation of the equations of each sample (k).

    Args:
        residuals: of the equations (k x m').
        sides: their left sides, to which `expected` is relative (k x m').
        expected: relative residual that the errors of the gradient make (k).
        unknowns: number of those fitted to the equations of a sample. If it is m' or more, the
            residuals tell nothing, and their whole length counts as one equation's.
    """
    count = residuals.shape[1]
    seen = torch.linalg.vector_norm(residuals, dim=1) / max(1, count - unknowns) ** 0.5
    sizes = torch.linalg.vector_norm(sides, dim=1) / count**0.5
    return torch.maximum(seen, expected.clamp(min=ROUNDING) * sizes)


def _errors_of_directions(problem: PairProblem, rows: Tensor, expected: Tensor) -> Tensor:
    """Bound the relative error of each input that the directions' errors make (b).

    A sample's slopes are fixed, so that (q, e) is the kernel of [L, -sigma'(z) * V]. Errors of its
    equations move q_j by dq_j, which is orthogonal to it. From P = Q^-1 and Q 1 = s follows

        dx_i = sum over j of (p_i . dq_j) (x_i - x_j).

    The errors of different directions are taken for independent, so that their variances add up.
    """
    z = problem.pre_activations(rows)
    slopes, decided = problem.activation.slope(z), problem.decided(rows, z)
    inputs = problem.first.singular_values * rows
    steps, squares = torch.zeros_like(inputs), torch.zeros_like(inputs[:, 0])
    unknowns = problem.b + problem.r - 1
    if bool((decided.sum(dim=1) < unknowns).any()):
        return torch.full_like(squares, torch.inf)
    for j, direction in enumerate(torch.linalg.inv(rows).T):
        left = problem.left[decided[j]]
        spanned = torch.linalg.qr(slopes[j, decided[j], None] * problem.back[decided[j]]).Q
        rest = left - spanned @ (spanned.T @ left)
        kernel = direction[None] / torch.linalg.vector_norm(direction)
        beside, residual = _beside(rest[None], kernel)[0], rest @ direction
        triangle = torch.linalg.qr(beside, mode="r").R
        gains = torch.linalg.solve_triangular(
            triangle, _beside(rows[None], kernel)[0], upper=True, left=False
        )
        pulled = torch.linalg.solve_triangular(
            triangle.T, (beside.T @ residual)[:, None], upper=False
        )
        away = inputs - inputs[j]
        steps -= (gains @ pulled) * away
        each = deviation(residual[None], (left @ direction)[None], expected[[j]], unknowns)
        spread = each * torch.linalg.vector_norm(gains, dim=1)
        squares += (spread * torch.linalg.vector_norm(away, dim=1)).square()
    errors = torch.linalg.vector_norm(steps, dim=1) + DEVIATIONS * squares.sqrt()
    return errors / torch.linalg.vector_norm(inputs, dim=1)


def _beside(matrices: Tensor, units: Tensor) -> Tensor:
    """Matrices (k x m x d) in an orthonormal basis of the complement of unit vectors (k x d).

    The basis is that of a reflection that takes the first axis to the unit vector or its negative.
    """
    mirrors = units.clone()
    mirrors[:, 0] += torch.where(units[:, 0] < 0, -1.0, 1.0)
    mirrors = mirrors / torch.linalg.vector_norm(mirrors, dim=1, keepdim=True)
    images = matrices @ mirrors[:, :, None]
    return (matrices - 2 * images @ mirrors[:, None, :])[:, :, 1:]
