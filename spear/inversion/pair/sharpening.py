"""Samples beyond doubt, by backward consistency to the rounding of the gradients.

With few classes a mixture of two samples is nearly a solution. One that is peeled off for a sample
leaves its error in the rest, and hides what is left. So when a search finds no more, each known
sample follows its valley to the end, and stays only if it solves the equations to rounding.

Where rounding hides a part of the row space of G2, the normal equations are singular to double
precision: they have the squares of the Jacobian's singular values. Its own SVD is not.
"""

import torch
from torch import Tensor

from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.backward_search import (
    ARRIVED,
    VALLEY,
    BackwardConsistency,
    on_neurons,
)
from spear.inversion.pair.levenberg_marquardt import NEARLY_NEWTON, minimise
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace

BEYOND_DOUBT = 1e-12
"""Squared relative residual of a sample beyond doubt: true ones have 1e-13 at most, mixtures of two
1e-11."""

STEPS = 3
"""Gauss-Newton steps by the SVD: the first one arrives."""

SINGULAR = 1e-9
"""Singular value of a scaled Jacobian, relative to the largest, that counts as 0."""

AT_ONCE = 16
"""Samples whose Jacobians are decomposed together."""


def backward_sharpened(problem: PairProblem, samples: Samples) -> Samples:
    """Solve samples on all neurons, as far as the descent gets; those at rounding, in order."""
    if len(samples) == 0:
        return samples
    space, m = RowSpace.of(problem), problem.m
    objective = on_neurons(problem, space)
    points = objective.point(samples, space.coordinates(samples.rows))
    points, costs = _stepped(objective, points)
    far = (costs >= BEYOND_DOUBT * m).nonzero()[:, 0]
    points[far], _ = minimise(objective, points[far], VALLEY, ARRIVED * m, 0.0, NEARLY_NEWTON)
    points[far], costs[far] = _stepped(objective, points[far])
    _, v, _ = objective.parts(points[costs < BEYOND_DOUBT * m])
    return samples_of_rows(problem, space.rows(v))[0]


def _stepped(objective: BackwardConsistency, points: Tensor) -> tuple[Tensor, Tensor]:
    """Gauss-Newton steps by the SVD of each Jacobian, as long as they lower the cost."""
    points, costs = points.clone(), objective.cost(points)
    for _ in range(STEPS):
        steps = [_step(objective, part) for part in torch.split(points, AT_ONCE)]
        if not steps:
            break
        trials = points + torch.cat(steps)
        trial_costs = objective.cost(trials)
        better = trial_costs < costs
        points = torch.where(better[:, None], trials, points)
        costs = torch.where(better, trial_costs, costs)
    return points, costs


def _step(objective: BackwardConsistency, points: Tensor) -> Tensor:
    residuals, jacobians = objective.linearised(points)
    scales = torch.linalg.vector_norm(jacobians, dim=1, keepdim=True)
    scales = scales.clamp(min=torch.finfo(scales.dtype).tiny)
    left, values, right = torch.linalg.svd(jacobians / scales, full_matrices=False)
    inverse = torch.where(values > SINGULAR * values[:, :1], 1 / values, 0.0)
    parts = inverse[:, :, None] * (left.mT @ residuals[:, :, None])
    return -(right.mT @ parts)[:, :, 0] / scales[:, 0]
