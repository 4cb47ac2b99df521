"""Isolation of a solution: no other batch nearby solves the equations as well.

A residual at rounding is no proof by itself. If the inputs reach only a nearly linear part of the
activation, every mixture of them fits, too: A = sigma'(c1) Z + const has the row space of Z. So
the equations must also move by more than their tolerance if an input moves by `ALLOWED_ERROR` of
its length. To first order that is a bound on the Gram matrix of their Jacobian:

    J^T J >= (tolerance / ALLOWED_ERROR)^2 K,   |dx|^2 / |x|^2 = dv^T K dv for dp = N dv,

of forward consistency, or of both together: two squares of at most 1, each in units of its own
tolerance, add up to at most 2. A Cholesky factorisation for each sample tells. Behind a piecewise
linear activation, backward consistency says nothing of rows. `likely_errors` judges the samples
that this leaves open.
"""

import torch
from torch import Tensor

from spear.inversion.factors.input_errors import ALLOWED_ERROR
from spear.inversion.pair import backward_search, forward_search
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace

NEURONS = 4
"""Neurons that are looked at, as a multiple of b: all of them would show more."""

AT_ONCE = 16
"""Samples looked at together."""


def isolated(problem: PairProblem, rows: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
    """Mark the samples whose residuals would show an error of `ALLOWED_ERROR` in the input (b).

    Args:
        problem: the whole layer pair.
        rows: P, of a solution (b x b).
        forward, backward: relative residuals of each sample that are tolerated (b each).
    """
    if problem.b == 1:  # the row is a point: x = 1 / s
        return torch.ones_like(forward, dtype=torch.bool)
    space = RowSpace.of(problem)
    lengths = _length(problem, rows)
    least = _metric(problem, space) / (ALLOWED_ERROR * lengths).square()[:, None, None]
    rests = -least
    if problem.spans_activations:
        rests += _forward(problem, space, rows) / forward.square()[:, None, None]
    shows = _are_positive(rests)
    if problem.activation.pieces is not None:
        return shows
    if problem.spans_activations:
        rests -= least  # for two squares
    moved = slice(problem.b, problem.b + space.dimension)
    for part in torch.split((~shows).nonzero()[:, 0], AT_ONCE):
        both = _backward(problem, space, rows[part]) / backward[part].square()[:, None, None]
        both[:, moved, moved] += rests[part]
        shows[part] = _are_positive(both)
    return shows


def _forward(problem: PairProblem, space: RowSpace, rows: Tensor) -> Tensor:
    """J^T J of forward consistency in v, relative to |a|^2 (k x d x d)."""
    neurons = forward_search.evenly_spaced(problem, NEURONS)
    objective = forward_search.on_neurons(problem, space, neurons)
    parts = torch.split(space.coordinates(rows), AT_ONCE)
    return torch.cat([objective.normal_equations(part)[0] for part in parts]) / len(neurons)


def _backward(problem: PairProblem, space: RowSpace, rows: Tensor) -> Tensor:
    """J^T J of backward consistency in (q, v, e), relative to |L q|^2 (k x d x d)."""
    neurons = forward_search.evenly_spaced(problem, NEURONS)
    objective = backward_search.on_neurons(problem, space, neurons)
    samples, _ = samples_of_rows(problem, rows)
    points = objective.point(samples, space.coordinates(rows))
    return objective.normal_equations(points)[0] / len(neurons)


def _metric(problem: PairProblem, space: RowSpace) -> Tensor:
    """|R^T N v|^2 as a matrix of v, up to the factor that `_length` has, too."""
    scaled = problem.first.singular_values[:, None] * space.basis
    return scaled.T @ scaled


def _length(problem: PairProblem, rows: Tensor) -> Tensor:
    """Length of the inputs of rows, up to a factor."""
    return torch.linalg.vector_norm(problem.first.singular_values * rows, dim=-1)


def _are_positive(matrices: Tensor) -> Tensor:
    return torch.linalg.cholesky_ex(matrices).info == 0
