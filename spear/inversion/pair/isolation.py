"""Isolation of a solution: no other batch nearby solves the equations as well.

A residual at rounding is no proof by itself. If the inputs reach only a nearly linear part of the
activation, every mixture of them fits, too: A = sigma'(c1) Z + const has the row space of Z. So
the equations must also move by more than their tolerance if an input moves by `HIDDEN` of its
length. To first order that is a bound on the Gram matrix of their Jacobian:

    J^T J >= (tolerance / HIDDEN)^2 K,   |dx|^2 / |x|^2 = dv^T K dv for dp = N dv,

of forward consistency, or of both together. A Cholesky factorisation for each sample tells.
"""

import torch
from torch import Tensor

from spear.inversion.pair import backward_search, forward_search
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace

HIDDEN = 1e-2
"""Relative error of an input that must show in the residuals."""


def isolated(problem: PairProblem, rows: Tensor, forward: Tensor, backward: Tensor) -> bool:
    """Tell whether an error of `HIDDEN` in any input would show.

    Args:
        problem: the whole layer pair.
        rows: P, of a solution (b x b).
        forward, backward: relative residuals of each sample that are tolerated (b each).
    """
    if problem.b == 1:  # the row is a point: x = 1 / s
        return True
    if problem.activation.pieces is not None and not problem.spans_activations:
        return bool((_errors_of_directions(problem, rows, backward) < HIDDEN).all())
    space = RowSpace.of(problem)
    metric = _metric(problem, space)
    lengths = _length(problem, rows)
    for i, length in enumerate(lengths):
        rest = metric / (-((HIDDEN * length) ** 2))
        if problem.spans_activations:
            rest += _forward(problem, space, rows[[i]]) / forward[i].square()
        if _is_positive(rest):
            continue
        both = _backward(problem, space, rows[[i]]) / backward[i].square()
        moved = slice(problem.b, problem.b + space.dimension)
        both[moved, moved] += rest
        if not _is_positive(both):
            return False
    return True


def _forward(problem: PairProblem, space: RowSpace, row: Tensor) -> Tensor:
    """J^T J of forward consistency in v, relative to |a|^2."""
    objective = forward_search.on_neurons(problem, space)
    return objective.normal_equations(space.coordinates(row))[0][0] / problem.m


def _backward(problem: PairProblem, space: RowSpace, row: Tensor) -> Tensor:
    """J^T J of backward consistency in (q, v, e), relative to |L q|^2."""
    objective = backward_search.on_neurons(problem, space)
    samples, _ = samples_of_rows(problem, row)
    point = objective.point(samples, space.coordinates(row))
    return objective.normal_equations(point)[0][0] / problem.m


def _errors_of_directions(problem: PairProblem, rows: Tensor, tolerances: Tensor) -> Tensor:
    """Largest relative error of each input that the directions' errors make (b).

    A sample's slopes are fixed, so that its direction is the kernel of [L, -sigma'(z) * V]. Within
    the tolerance of its equations it moves by dq_j, and P = Q^-1 and Q 1 = s make of that

        dx_i = sum over j of (p_i . dq_j) (x_i - x_j).
    """
    z = problem.pre_activations(rows)
    slopes, decided = problem.activation.slope(z), problem.decided(z)
    lengths = _length(problem, rows)
    directions = torch.linalg.inv(rows)
    errors = torch.zeros_like(lengths)
    for j, tolerance in enumerate(tolerances):
        left = problem.left * decided[j][:, None]
        basis = torch.linalg.qr((slopes * decided)[j][:, None] * problem.back).Q
        rest = left - basis @ (basis.T @ left)
        direction = directions[:, j] / torch.linalg.vector_norm(directions[:, j])
        matrix = rest.T @ rest + problem.m * torch.outer(direction, direction)
        factor, info = torch.linalg.cholesky_ex(matrix)
        if info:
            return torch.full_like(errors, torch.inf)
        moved = torch.linalg.solve_triangular(factor, rows.T, upper=False)
        allowed = tolerance * torch.linalg.vector_norm(problem.left @ directions[:, j])
        products = allowed * torch.linalg.vector_norm(moved, dim=0)
        products[j] = 0.0
        errors += products * (lengths + lengths[j]) / lengths
    return errors


def _metric(problem: PairProblem, space: RowSpace) -> Tensor:
    """|R^T N v|^2 as a matrix of v, up to the factor that `_length` has, too."""
    scaled = problem.first.singular_values[:, None] * space.basis
    return scaled.T @ scaled


def _length(problem: PairProblem, rows: Tensor) -> Tensor:
    """Length of the inputs of rows, up to a factor."""
    return torch.linalg.vector_norm(problem.first.singular_values * rows, dim=-1)


def _is_positive(matrix: Tensor) -> bool:
    return not bool(torch.linalg.cholesky_ex(matrix).info)
