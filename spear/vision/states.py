"""Inputs of the first feed-forward block, from the gradients of its two layers.

The search of layer pairs finds the tokens that leave a strong gradient, and peels them off. The
weakest are known from the rest to few digits only, less than that search accepts. Here the first
block decides about them: a state that fits a position has six digits or three, and a false minimum
fits none, unless it lies between two tokens that are nearly equal (`spear.vision.open_directions`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.attack import Progress
from spear.budget import Budget
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.forward_search import NEURONS, on_neurons, solved_rows, subset
from spear.inversion.pair.levenberg_marquardt import NEARLY_NEWTON, minimise
from spear.inversion.pair.peeling import Rest, Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.reconstruct import reconstruction_of
from spear.inversion.pair.rows import RowSpace, distinct_rows
from spear.inversion.pair.search import Search
from spear.reconstruction import Status
from spear.vision.completion import completed
from spear.vision.open_directions import WELL, Positioning
from spear.vision.wide_search import far_starts, token_search

HOPELESS = 20
"""Turns without a find after which the search gives up, as with more images than can be told."""

ROUNDS, LEAST_PATIENCE, MOST_PATIENCE = 500, 3, 30
"""Rounds of the search without a find after which the first block decides: this number divided by
the tokens, whose search takes the longer the more they are, between these bounds."""

STARTS, ITERATIONS, POLISHING = 16, 60, 4

NEARLY, SOLVED = 1e-2, 1e-3
"""Relative residuals of forward consistency that a weak token may have: as it is known from the
rest, with the errors of what was peeled off, and on the whole problem."""

LEAST_NEURONS = 256
"""Neurons on which the rest is searched: a few tokens alone would be solved by chance on fewer."""


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
    problem: PairProblem, test: Positioning, budget: Budget, seed: int = 0
) -> States:
    """Return the inputs of a feed-forward block.

    Args:
        problem: the pair of its two layers in factors.
        test: of the first block.
        budget: of the search.
        seed: of the starts.
    """
    generator = torch.Generator().manual_seed(seed)
    search = token_search(problem, test.fits, seed)
    most, in_vain, weak = 0, 0, False
    every = completed(test, search.known)  # of one image, without a search
    while every is None and not search.solved and in_vain < HOPELESS and not budget.over():
        _run(search, budget)
        if not search.solved:
            weak, every = True, completed(test, search.known)
        if every is None and not search.solved:
            search.restart(_with_weak(problem, search.known, test, generator))
        in_vain = 0 if len(search.known) > most else in_vain + 1
        most = max(most, len(search.known))
    samples = search.known
    if every is not None:
        rows, doubtful = _sharpened(problem, every, test)
        if doubtful:
            return States(rows @ problem.first.right, problem.b)
        samples = samples_of_rows(problem, rows)[0]
    elif weak or not search.solved:
        kept, corrected = test.sorted_out(samples.rows)
        rows = torch.cat([samples.rows[kept], corrected])
        return States(rows[: problem.b] @ problem.first.right, problem.b)
    found = reconstruction_of(problem, samples, Status.PARTIAL, {}).inputs  # takes seconds
    return States(found, problem.b)


def _run(search: Search, budget: Budget) -> None:
    """Search until a few rounds are in vain."""
    idle, patience = 0, min(MOST_PATIENCE, max(LEAST_PATIENCE, ROUNDS // search.problem.b))
    while not search.solved and idle < patience and not budget.over():
        before = len(search.known)
        search.round()
        idle = 0 if len(search.known) > before else idle + 1
        budget.report(Progress.directions(len(search.known), search.problem.b))


def _sharpened(problem: PairProblem, rows: Tensor, test: Positioning) -> tuple[Tensor, bool]:
    """Rows of all tokens, solved anew by forward consistency, and whether it leaves any open.

    One that it leads away from its position stays as the equations of the position have it.
    """
    solved, places = solved_rows(problem, rows)
    well = test.residuals(solved) <= WELL
    rows = rows.clone()
    rows[places[well]] = solved[well]
    return rows, int(well.sum()) < len(rows)


def _with_weak(
    problem: PairProblem, known: Samples, test: Positioning, generator: torch.Generator
) -> Samples:
    """Known samples that fit a position, and others on their open directions or of the rest."""
    rest = Rest.whole(problem).without(known) if len(known) else Rest.whole(problem)
    found = _polished(problem, _descended(rest.problem, generator) @ rest.row_map)
    every = torch.cat([known.rows, found])
    kept, corrected = test.sorted_out(every)
    if len(kept) + len(corrected) == 0:  # beyond the counted limit every state fits as badly
        return known
    old = kept[kept < len(known)]
    new = torch.cat([every[kept[kept >= len(known)]], corrected])[: problem.b - len(old)]
    return known[old].and_others(samples_of_rows(problem, new)[0])


def _polished(problem: PairProblem, rows: Tensor) -> Tensor:
    """Nearly right rows after a few Gauss-Newton steps on the whole problem.

    Rows of the rest carry the errors of what was peeled off, those of the whole problem do not.
    """
    space = RowSpace.of(problem)
    points, costs = minimise(
        on_neurons(problem, space),
        space.coordinates(rows),
        POLISHING,
        0.0,
        SOLVED**2 * problem.m,
        NEARLY_NEWTON,
    )
    return space.rows(points[costs < SOLVED**2 * problem.m])


def _descended(problem: PairProblem, generator: torch.Generator) -> Tensor:
    """Different rows that nearly solve forward consistency, the best first."""
    space = RowSpace.of(problem)
    if space.dimension == 0:
        return space.point[None]
    points = far_starts(problem, space, STARTS, generator)
    neurons = subset(problem, max(NEURONS, LEAST_NEURONS / problem.b), generator)
    objective = on_neurons(problem, space, neurons)
    enough = NEARLY**2 * len(neurons)
    points, costs = minimise(objective, points, ITERATIONS, 0.0, enough)
    order = costs.argsort()
    return distinct_rows(space.rows(points[order][costs[order] < enough]))
