"""The most likely batch behind a noisy pair, and how well it explains both gradients.

Levenberg-Marquardt steps on all samples at once, each by conjugate gradients that are
preconditioned by the Gram matrices of dL/dZ and of the activations.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from spear.inversion.directions.scale import is_regular
from spear.inversion.factors.gram import unit
from spear.inversion.pair.likelihood import Batch, Equations, Likelihood
from spear.inversion.pair.problem import PairProblem

STEPS, ROUGH_STEPS = 100, 25
"""Steps at most, and those of a rough fit."""

SETTLED = 1e-5
"""Relative decrease of the sum of squares at which the fit has settled."""

ITERATIONS, ROUGH_ITERATIONS = 200, 50
"""Conjugate gradient iterations of a step at most. Weak samples need many."""

SOLVED = 1e-6
"""Decrease of the squared preconditioned gradient at which a step is solved."""

FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-3, 1e-6, 1e4

EASIER, HARDER = 0.2, 10.0
"""Factors on the damping after a step that lowers the sum of squares, and after one that fails."""

RIDGE = 1e-9
"""Keeps the preconditioner factorisable, relative to its diagonal."""

CHANCE = 3.0
"""Deviations of a sum of squares that are put down to chance."""

Unknowns = tuple[Tensor, Tensor]
"""Changes of inputs and next gradients."""


class MostLikely(NamedTuple):
    """The most likely batch.

    Attributes:
        disaggregation: Q (b x b).
        misfit: what the chain rule and the activations leave unexplained of both gradients, in
            what is expected of noise: 0.9 to 1.15 for true batches.
    """

    disaggregation: Tensor
    misfit: float


def most_likely(
    problem: PairProblem,
    disaggregation: Tensor,
    steps: int = STEPS,
    iterations: int = ITERATIONS,
) -> MostLikely:
    """Improve a nearly right solution of a noisy pair; it never gets less likely.

    Args:
        problem: the whole pair.
        disaggregation: Q (b x b).
        steps: at most.
        iterations: of conjugate gradients in a step, at most.
    """
    shared = problem.shared
    if shared is None:
        return MostLikely(disaggregation, math.inf)
    likelihood = Likelihood(problem, shared)
    start = likelihood.start(torch.linalg.solve(disaggregation, shared.right))
    batch, cost = _fitted(start, steps, iterations)
    rows = torch.linalg.lstsq(shared.right.T, batch.inputs.T).solution.T
    if is_regular(unit(rows)):
        disaggregation = torch.linalg.inv(rows)
    return MostLikely(disaggregation, _misfit(likelihood, cost))


def _misfit(likelihood: Likelihood, cost: float) -> float:
    """Squares beyond chance and those that no matrices of rank b explain, a degree of freedom.

    Two matrices of rank b have 2 b (m - b) entries more than the batch, besides the biases.
    """
    problem, shared = likelihood.problem, likelihood.shared
    first, second = shared.unexplained(problem.b)
    cost -= first / problem.first_error**2 + second / problem.next_error**2
    biases = problem.m + (shared.next_bias_gradient is not None) * len(shared.next_gradient)
    freedom = 2 * problem.b * (problem.m - problem.b) + biases
    return (cost - CHANCE * math.sqrt(2 * freedom)) / freedom


def _fitted(batch: Batch, steps: int, iterations: int) -> tuple[Batch, float]:
    """Return the batch at the nearest maximum of the likelihood, and its sum of squares."""
    rest = batch.residuals()
    cost, damping = _squares(rest), FIRST_DAMPING
    for _ in range(steps):
        inputs, nexts = _step(batch, rest, damping, iterations)
        trial = batch.likelihood.at(batch.inputs + inputs, batch.nexts + nexts)
        trial_rest = trial.residuals()
        after = _squares(trial_rest)
        if after < cost:
            settled = after > (1 - SETTLED) * cost and damping <= FIRST_DAMPING
            batch, rest, cost = trial, trial_rest, after
            damping = max(damping * EASIER, LEAST_DAMPING)
            if settled:
                break
        else:
            damping *= HARDER
            if damping > MOST_DAMPING:
                break
    return batch, cost


def _step(batch: Batch, rest: Equations, damping: float, iterations: int) -> Unknowns:
    """Minimise |J x - r|^2 + damping * x^T C x, with C the preconditioner, from x = 0."""
    grams = batch.grams()
    factors = [torch.linalg.cholesky(each + _ridge(each)) for each in grams]
    gradient = batch.transposed_times(rest)
    step = (torch.zeros_like(gradient[0]), torch.zeros_like(gradient[1]))
    direction = towards = _preconditioned(factors, gradient)
    size = first = _product(gradient, towards)
    for _ in range(iterations):
        image = batch.transposed_times(batch.times(*direction))
        damped = (grams[0] @ direction[0], grams[1] @ direction[1])
        image = _sum(image, damping, damped)
        length = size / _product(direction, image)
        step = _sum(step, length, direction)
        gradient = _sum(gradient, -length, image)
        towards = _preconditioned(factors, gradient)
        size, before = _product(gradient, towards), size
        if size <= SOLVED * first:
            break
        direction = _sum(towards, size / before, direction)
    return step


def _ridge(gram: Tensor) -> Tensor:
    diagonal = gram.diagonal().clamp(min=torch.finfo(gram.dtype).tiny)
    return torch.diag(RIDGE * diagonal + RIDGE**2 * diagonal.max())


def _preconditioned(factors: list[Tensor], gradient: Unknowns) -> Unknowns:
    inputs, nexts = (
        torch.cholesky_solve(each, factor) for each, factor in zip(gradient, factors, strict=True)
    )
    return inputs, nexts


def _sum(first: Unknowns, factor: float, second: Unknowns) -> Unknowns:
    return first[0] + factor * second[0], first[1] + factor * second[1]


def _product(first: Unknowns, second: Unknowns) -> float:
    return float((first[0] * second[0]).sum() + (first[1] * second[1]).sum())


def _squares(equations: Equations) -> float:
    return sum(float(each.square().sum()) for each in equations)
