"""Samples by forward consistency: descents from many starts, on random subsets of the neurons."""

from dataclasses import replace

import torch
from torch import Tensor

from spear.activations.rounded import Rounded
from spear.inversion.factors.gram import Grams
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.forward import ForwardConsistency, residuals
from spear.inversion.pair.levenberg_marquardt import NEARLY_NEWTON, minimise
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace, distinct_rows, mutually_consistent
from spear.inversion.pair.starts import DrawStarts, random_starts
from spear.inversion.pair.tolerance import (
    POSSIBLE,
    backward_errors,
    forward_errors,
    squared,
)

STARTS = 16
"""Starts a round: more would meet the same few attractors."""

NEURONS, SPARE = 3.0, 16
"""Neurons in a subset: this many times b, and a few more."""

ITERATIONS, POLISHING = 60, 4

WIDTH = 0.1
"""How wide a descent first rounds the corners of an activation, in deviations of z."""

ARRIVED = 1e-24
"""Squared relative residual at which a start has arrived."""

PROMISING = 1e-6
"""Squared relative residual below which a start is in the basin of a solution."""

SOLVED = 1e-7
"""Squared relative residual of a solution; false minima have 1e-2 and more."""

FITTING = 1e-2
"""Relative residual of backward consistency of a solution."""


def forward_round(
    problem: PairProblem,
    generator: torch.Generator,
    space: RowSpace | None = None,
    slack: float = 1.0,
    starts: DrawStarts = random_starts,
) -> tuple[Samples, int]:
    """Search once for samples of a problem.

    Args:
        problem: whose next gradient spans the activations.
        generator: of starts and subsets, on the problem's device.
        space: of the rows; those with s . p = 1 unless given.
        slack: factor on the squared residuals up to which rows are taken for right.
        starts: where descents begin.

    Returns:
        Samples that fit together, and the number of starts made.
    """
    space = space or RowSpace.of(problem)
    if space.dimension == 0:
        rows, count = space.point[None], 0
    else:
        rows, count = _descended(problem, space, generator, slack, starts), STARTS
        rows, _ = solved_rows(problem, distinct_rows(rows), space=space, slack=slack)
    samples, errors = samples_of_rows(problem, distinct_rows(rows))
    samples = samples[errors < (POSSIBLE * backward_errors(problem, samples)).clamp(min=FITTING)]
    return samples[mutually_consistent(problem, samples)], count


def forward_renewed(problem: PairProblem, samples: Samples) -> Samples:
    """Solve nearly right samples again, on all neurons; those that are right, in their order."""
    return samples_of_rows(problem, solved_rows(problem, samples.rows)[0])[0]


def solved_rows(
    problem: PairProblem,
    rows: Tensor,
    neurons: Tensor | None = None,
    space: RowSpace | None = None,
    slack: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Solve forward consistency from nearly right rows, by a few Gauss-Newton steps.

    Args:
        problem: whose next gradient spans the activations.
        rows: k x b.
        neurons: on which to solve; all unless given. The solutions are tested on all.
        space: of the rows; those with s . p = 1 unless given.
        slack: factor on the squared residuals of solutions.

    Returns:
        Solutions, in order (k' x b), and the indices of the rows that led there (k').
    """
    space = space or RowSpace.of(problem)
    if space.dimension == 0:  # the plane is the row of the only sample
        return space.point.expand(len(rows), -1), torch.arange(len(rows), device=rows.device)
    objective = on_neurons(problem, space, neurons)
    count = len(objective.base)
    points, costs = minimise(
        objective,
        space.coordinates(rows),
        POLISHING,
        ARRIVED * count,
        PROMISING * count,
        NEARLY_NEWTON,
    )
    solved = space.rows(points)
    if neurons is not None:
        costs = residuals(problem, solved).square() * count
    right = (costs < slack * solution_squares(problem, solved) * count).nonzero()[:, 0]
    return solved[right], right


def solution_squares(problem: PairProblem, rows: Tensor) -> Tensor:
    """Squared relative residuals up to which rows may solve the equations, whatever the noise."""
    return squared(forward_errors(problem, rows), POSSIBLE, SOLVED)


def _descended(
    problem: PairProblem,
    space: RowSpace,
    generator: torch.Generator,
    slack: float,
    starts: DrawStarts,
) -> Tensor:
    """Rows that solve the equations on a random subset, the best first."""
    neurons = subset(problem, NEURONS, generator)
    points = starts(problem, space, STARTS, generator)
    stages = [problem]
    if problem.activation.corners:
        stages.insert(0, _rounded(problem, space.rows(points)))
    for stage in stages:
        objective = on_neurons(stage, space, neurons)
        count = len(objective.base)
        points, costs = minimise(objective, points, ITERATIONS, ARRIVED * count, PROMISING * count)
    best = costs.argsort()
    rows = space.rows(points[best])
    return rows[costs[best] < slack * solution_squares(problem, rows) * count]


def _rounded(problem: PairProblem, rows: Tensor) -> PairProblem:
    """The problem with the corners of its activation rounded.

    At a corner the equations change. A descent that has to pass many would stop at one.
    """
    deviation = float(problem.pre_activations(rows).std(dim=1).median())
    return replace(problem, activation=Rounded(problem.activation, WIDTH * deviation))


def on_neurons(
    problem: PairProblem, space: RowSpace, neurons: Tensor | None = None
) -> ForwardConsistency:
    """Forward consistency of the rows of a space.

    Args:
        problem: whose next gradient spans the activations.
        space: of its rows.
        neurons: indices of those to use; all unless given.
    """
    weight, activations = problem.first.projected_weight, problem.activations
    base, activation = problem.pre_activations(space.point), problem.activation
    if neurons is not None:
        weight, base, activation = weight[neurons], base[neurons], activation.of(neurons)
        activations = torch.linalg.qr(activations[:, neurons].T).Q.T.contiguous()
    predictor = weight @ space.basis
    return ForwardConsistency(predictor, base, activations, activation, Grams(predictor))


def subset(problem: PairProblem, share: float, generator: torch.Generator) -> Tensor:
    """Draw neurons, `share` times b and a few more of them."""
    order = torch.randperm(problem.m, generator=generator, device=problem.left.device)
    return order[: _count(problem, share)]


def evenly_spaced(problem: PairProblem, share: float) -> Tensor:
    """Return as many neurons without drawing, in order."""
    count = _count(problem, share)
    return torch.arange(count, device=problem.left.device) * problem.m // count


def _count(problem: PairProblem, share: float) -> int:
    return min(problem.m, int(share * problem.b) + SPARE)
