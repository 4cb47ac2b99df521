"""Samples by forward consistency: descents from many starts, on random subsets of the neurons."""

import torch
from torch import Tensor

from spear.inversion.factors.gram import Grams
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.forward import ForwardConsistency
from spear.inversion.pair.levenberg_marquardt import minimise
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace, distinct_rows, mutually_consistent

STARTS = 16
"""Starts a round: more would meet the same few attractors."""

NEURONS = (3.0, 16)
"""Neurons in a subset: this many times b, and a few more."""

ITERATIONS, POLISHING = 60, 15

ARRIVED = 1e-24
"""Squared relative residual at which a start has arrived."""

PROMISING = 1e-6
"""Squared relative residual below which a start is in the basin of a solution."""

SOLVED = 1e-7
"""Squared relative residual of a solution; false minima have 1e-2 and more."""

FITTING = 1e-2
"""Relative residual of backward consistency of a solution."""


def forward_round(problem: PairProblem, generator: torch.Generator) -> tuple[Samples, int]:
    """Search once for samples of a problem.

    Args:
        problem: whose next gradient spans the activations.
        generator: of starts and subsets, on the problem's device.

    Returns:
        Samples that fit together, and the number of starts made.
    """
    space = RowSpace.of(problem)
    if space.dimension == 0:
        rows, starts = space.point[None], 0
    else:
        rows, starts = _descended(problem, space, generator), STARTS
        rows = solved_rows(problem, distinct_rows(rows))
    samples, residuals = samples_of_rows(problem, distinct_rows(rows))
    samples = samples[residuals < FITTING]
    return samples[mutually_consistent(samples)], starts


def forward_renewed(problem: PairProblem, samples: Samples) -> Samples:
    """Solve nearly right samples again, on all neurons; those that are right, in their order."""
    return samples_of_rows(problem, solved_rows(problem, samples.rows))[0]


def solved_rows(problem: PairProblem, rows: Tensor) -> Tensor:
    """Solve forward consistency on all neurons from nearly right rows; those solved, in order."""
    space = RowSpace.of(problem)
    m = problem.m
    points, costs = minimise(
        on_all_neurons(problem, space),
        space.coordinates(rows),
        POLISHING,
        ARRIVED * m,
        PROMISING * m,
    )
    return space.rows(points[costs < SOLVED * m])


def _descended(problem: PairProblem, space: RowSpace, generator: torch.Generator) -> Tensor:
    """Rows that solve the equations on a random subset, the best first."""
    count = min(problem.m, int(NEURONS[0] * problem.b) + NEURONS[1])
    order = torch.randperm(problem.m, generator=generator, device=problem.left.device)
    objective = on_neurons(problem, space, order[:count])
    starts = space.random(STARTS, generator)
    points, costs = minimise(objective, starts, ITERATIONS, ARRIVED * count, PROMISING * count)
    best = costs.argsort()
    return space.rows(points[best[costs[best] < SOLVED * count]])


def on_all_neurons(problem: PairProblem, space: RowSpace) -> ForwardConsistency:
    """Forward consistency of the rows of a space."""
    predictor = problem.first.projected_weight @ space.basis
    return ForwardConsistency(
        predictor,
        problem.pre_activations(space.point),
        problem.activations,
        problem.activation,
        Grams(predictor),
    )


def on_neurons(problem: PairProblem, space: RowSpace, neurons: Tensor) -> ForwardConsistency:
    """The same on some of the neurons, given by their indices."""
    predictor = problem.first.projected_weight[neurons] @ space.basis
    return ForwardConsistency(
        predictor,
        problem.pre_activations(space.point)[neurons],
        torch.linalg.qr(problem.activations[:, neurons].T).Q.T.contiguous(),
        problem.activation.of(neurons),
        Grams(predictor),
    )
