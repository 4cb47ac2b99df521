"""Least squares over all samples and both gradients at once, from a nearly exact solution.

Unknown are the rows P (b x b), X^T = P R, and the next layer's gradients D2 = U2 E (E is r x b).
With Z = M P^T + c1, A = sigma(Z) and D1 = sigma'(Z) * (V E), the server holds

    L = D1 P,   dL/dc1 = D1 1,   U2^T G2 = E A^T,   U2^T dL/dc2 = E 1,

each divided by its error, so that the result is the estimate of maximum likelihood if the errors
are independent and normal. An error of G1 appears in column k of L divided by S_k / sqrt(m).

Gauss-Newton steps; each is solved by conjugate gradients on the least squares problem
(Hestenes and Stiefel, 1952), which needs products with the Jacobian only: 8 products of m x b
matrices each way.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.pair.problem import PairProblem

STEPS = 10
"""Gauss-Newton steps at most."""

SETTLED = 1e-3
"""Relative decrease of the sum of squares at which the fit has settled."""

ITERATIONS = 200
"""Conjugate gradient iterations of a step at most."""

AHEAD = 200
"""A step ends if as many iterations like its last one would lower the cost by `SETTLED` at most."""

Blocks = tuple[Tensor, ...]
"""A vector in parts of different shapes."""


@dataclass(frozen=True)
class Solution:
    """All samples of a batch.

    Attributes:
        rows: P (b x b).
        next_coordinates: E (r x b).
    """

    rows: Tensor
    next_coordinates: Tensor


class JointFit:
    """The equations of both gradients for all samples.

    Args:
        problem: the layer pair.
        sums: whether dL/dc1 is known.
    """

    def __init__(self, problem: PairProblem, sums: bool = True) -> None:
        self.problem = problem
        self._sum_error = problem.first_error if sums else math.inf
        first = problem.first
        self._columns = first.singular_values / first.left.shape[0] ** 0.5 / problem.first_error
        self._second = problem.next_values[:, None] * problem.activations
        self._bias_gradient = problem.left @ first.bias_coordinates / self._sum_error

    def start(self, rows: Tensor) -> Solution:
        """The solution with given rows, its E by least squares."""
        a = self.problem.activation.value(self._z(rows)).T
        e = torch.linalg.lstsq(a, self._second.T).solution.T
        return Solution(rows, e)

    def residuals(self, solution: Solution) -> Blocks:
        """Observed less computed, in deviations: of L (m x b), dL/dc1 (m), U2^T G2, U2^T dL/dc2."""
        problem = self.problem
        z = self._z(solution.rows)
        gradients = self._gradients(z, solution)
        e = solution.next_coordinates
        blocks = [
            (problem.left - gradients.T @ solution.rows) * self._columns,
            self._bias_gradient - gradients.sum(dim=0) / self._sum_error,
            (self._second - e @ problem.activation.value(z)) / problem.next_error,
        ]
        if problem.next_bias is not None:
            blocks.append((problem.next_bias - e.sum(dim=1)) / problem.next_error)
        return tuple(blocks)

    def _z(self, rows: Tensor) -> Tensor:
        """Pre-activations, a row a sample (b x m)."""
        return rows @ self.problem.first.projected_weight.T + self.problem.first.bias

    def _gradients(self, z: Tensor, solution: Solution) -> Tensor:
        """dL/dZ, a row a sample (b x m)."""
        behind = (self.problem.back @ solution.next_coordinates).T
        return self.problem.activation.slope(z) * behind


class Linearised:
    """The Jacobian of a fit at a solution, in scaled unknowns.

    Attributes:
        row_scales: what a scaled change of the rows is multiplied by (b x b).
    """

    def __init__(self, fit: JointFit, at: Solution) -> None:
        problem = self._problem = fit.problem
        self._fit, self._at = fit, at
        z = fit._z(at.rows)
        activation = problem.activation
        behind = (problem.back @ at.next_coordinates).T
        self._values, self._slopes = activation.value(z), activation.slope(z)
        self._gradients = self._slopes * behind
        self._curved = activation.curvature(z) * behind
        lengths = torch.linalg.vector_norm(self._gradients, dim=1)
        sizes = torch.linalg.vector_norm(self._values, dim=1)
        self.row_scales = 1 / (lengths[:, None] * fit._columns)
        self._next_scales = problem.next_error / sizes

    def times(self, rows: Tensor, nexts: Tensor) -> Blocks:
        """J x: how the computed gradients change."""
        problem, at = self._problem, self._at
        rows, nexts = rows * self.row_scales, nexts * self._next_scales
        z = rows @ problem.first.projected_weight.T
        gradients = self._curved * z + self._slopes * (problem.back @ nexts).T
        blocks = [
            (gradients.T @ at.rows + self._gradients.T @ rows) * self._fit._columns,
            gradients.sum(dim=0) / self._fit._sum_error,
            (nexts @ self._values + at.next_coordinates @ (self._slopes * z)) / problem.next_error,
        ]
        if problem.next_bias is not None:
            blocks.append(nexts.sum(dim=1) / problem.next_error)
        return tuple(blocks)

    def transposed_times(self, blocks: Blocks) -> tuple[Tensor, Tensor]:
        """J^T y."""
        problem, at = self._problem, self._at
        first = blocks[0] * self._fit._columns
        bias, second = blocks[1] / self._fit._sum_error, blocks[2] / problem.next_error
        gradients = at.rows @ first.T + bias
        z = self._curved * gradients + self._slopes * (at.next_coordinates.T @ second)
        rows = z @ problem.first.projected_weight + self._gradients @ first
        nexts = problem.back.T @ (self._slopes * gradients).T + second @ self._values.T
        if problem.next_bias is not None:
            nexts = nexts + blocks[3][:, None] / problem.next_error
        return rows * self.row_scales, nexts * self._next_scales

    def step(self, x: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The step in unscaled unknowns."""
        return x[0] * self.row_scales, x[1] * self._next_scales


def refit(problem: PairProblem, rows: Tensor, sums: bool = True) -> Tensor:
    """Improve nearly exact rows P (b x b) by the joint fit; they never get worse.

    Args:
        problem: the layer pair.
        rows: P.
        sums: whether dL/dc1 is known.
    """
    fit = JointFit(problem, sums)
    solution = fit.start(rows)
    residuals = fit.residuals(solution)
    cost = _squares(residuals)
    for _ in range(STEPS):
        linear = Linearised(fit, solution)
        scaled, predicted = _least_squares(linear, residuals)
        row_step, next_step = linear.step(scaled)
        trial = Solution(solution.rows + row_step, solution.next_coordinates + next_step)
        trial_residuals = fit.residuals(trial)
        trial_cost = _squares(trial_residuals)
        if not bool(trial_cost < cost):
            break
        # Where the equations are as good as linear, another step would find the same.
        settled = bool(trial_cost > (1 - SETTLED) * cost)
        settled |= predicted is not None and bool(trial_cost < (1 + SETTLED) * predicted)
        solution, residuals, cost = trial, trial_residuals, trial_cost
        if settled:
            break
    return solution.rows


def _least_squares(
    linear: Linearised, residuals: Blocks
) -> tuple[tuple[Tensor, Tensor], Tensor | None]:
    """Minimise |J x - r|^2 by conjugate gradients from x = 0.

    Returns:
        x, and the minimum; None instead of it if the iterations were used up.
    """
    rest, cost = residuals, _squares(residuals)
    gradient = linear.transposed_times(rest)
    direction = gradient
    x = (torch.zeros_like(gradient[0]), torch.zeros_like(gradient[1]))
    size = _squares(gradient)
    for _ in range(ITERATIONS):
        image = linear.times(*direction)
        length = size / _squares(image)
        x = (x[0] + length * direction[0], x[1] + length * direction[1])
        cost = cost - length * size
        if bool(AHEAD * length * size < SETTLED * cost):
            return x, cost
        rest = tuple(r - length * i for r, i in zip(rest, image, strict=True))
        gradient = linear.transposed_times(rest)
        size, before = _squares(gradient), size
        direction = (
            gradient[0] + size / before * direction[0],
            gradient[1] + size / before * direction[1],
        )
    return x, None


def _squares(blocks: Blocks) -> Tensor:
    return torch.stack([each.square().sum() for each in blocks]).sum()
