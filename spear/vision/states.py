"""Inputs of the first feed-forward block, from the gradients of its two layers.

The search of layer pairs finds the tokens that leave a strong gradient, and peels them off. The
weakest are known from the rest to few digits only, less than that search accepts. Here the first
block decides about them: a state that fits a position has six digits or three, and a false minimum
fits none.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.attack import Progress
from spear.budget import Budget
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.forward_search import NEURONS, on_neurons, subset
from spear.inversion.pair.levenberg_marquardt import NEARLY_NEWTON, minimise
from spear.inversion.pair.peeling import Rest, Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.reconstruct import reconstruction_of
from spear.inversion.pair.rows import RowSpace, distinct_rows
from spear.reconstruction import Status
from spear.vision.wide_search import far_starts, token_search

HOPELESS = 100
"""Rounds without a find after which the search gives up, as with more images than can be told."""

PATIENCE = 30
"""Rounds of the search without a find after which the first block decides. Of a batch of which half
is found, a round finds a token with a probability of 0.2 and more."""

STARTS, ITERATIONS, POLISHING = 16, 60, 4

SOLVED = 1e-3
"""Relative residual of forward consistency that a weak token may have."""

Accept = Callable[[Tensor], Tensor]
"""Marks the states (k x d) that fit a position (k)."""


@dataclass(frozen=True)
class States:
    """Inputs of a feed-forward block.

    Attributes:
        inputs: those found, a row each (k x d).
        tokens: number that there are, the rank of the gradient.
    """

    inputs: Tensor
    tokens: int


def feed_forward_states(
    problem: PairProblem, accept: Accept, budget: Budget, seed: int = 0
) -> States:
    """Return the inputs of a feed-forward block.

    Args:
        problem: the pair of its two layers in factors.
        accept: the test of the first block.
        budget: of the search.
        seed: of the starts.
    """
    generator = torch.Generator().manual_seed(seed)
    known = _searched(problem, budget, seed)
    if len(known) == problem.b:  # none is weak: a joint fit takes seconds
        return States(reconstruction_of(problem, known, Status.PARTIAL, {}).inputs, problem.b)
    idle = 0
    while len(known) < problem.b and idle < HOPELESS and not budget.over():
        found = _accepted(problem, known, accept, generator)
        known = known.and_others(found)
        idle = 0 if len(found) else idle + 1
        budget.report(Progress.directions(len(known), problem.b))
    return States(known.rows @ problem.first.right, problem.b)


def _searched(problem: PairProblem, budget: Budget, seed: int) -> Samples:
    """Samples that the search of layer pairs finds by itself."""
    search = token_search(problem, seed)
    idle = 0
    while not search.solved and idle < PATIENCE and not budget.over():
        before = len(search.known)
        search.round()
        idle = 0 if len(search.known) > before else idle + 1
        budget.report(Progress.directions(len(search.known), problem.b))
    return search.known


def _accepted(
    problem: PairProblem, known: Samples, accept: Accept, generator: torch.Generator
) -> Samples:
    """The best new sample of the rest that fits a position, if there is one."""
    whole = Rest.whole(problem)
    rest = whole.without(known) if len(known) else whole
    rows = _descended(rest.problem, generator)
    fitting = accept(rows @ rest.row_map @ problem.first.right)
    best = rows[fitting][:1]
    if len(best) == 0:
        return Samples.nothing(problem)
    polished = _polished(problem, best @ rest.row_map)
    # The rest carries the errors of what was peeled off, the whole problem does not.
    if bool(accept(polished @ problem.first.right).all()):
        return samples_of_rows(problem, polished)[0]
    return rest.in_whole(samples_of_rows(rest.problem, best)[0])


def _polished(problem: PairProblem, rows: Tensor) -> Tensor:
    """Nearly right rows after a few Gauss-Newton steps on the whole problem."""
    space = RowSpace.of(problem)
    points, _ = minimise(
        on_neurons(problem, space),
        space.coordinates(rows),
        POLISHING,
        0.0,
        SOLVED**2 * problem.m,
        NEARLY_NEWTON,
    )
    return space.rows(points)


def _descended(problem: PairProblem, generator: torch.Generator) -> Tensor:
    """Different rows that nearly solve forward consistency, the best first."""
    space = RowSpace.of(problem)
    if space.dimension == 0:
        return space.point[None]
    points = far_starts(problem, space, STARTS, generator)
    for neurons in (subset(problem, NEURONS, generator), None):
        objective = on_neurons(problem, space, neurons)
        points, costs = minimise(objective, points, ITERATIONS, 0.0, SOLVED**2 * problem.m)
    order = costs.argsort()
    good = costs[order] < SOLVED**2 * problem.m
    return distinct_rows(space.rows(points[order][good]))
