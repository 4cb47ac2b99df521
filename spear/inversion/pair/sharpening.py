"""Samples beyond doubt, by backward consistency to the rounding of the gradients.

With few classes a mixture of two samples is nearly a solution. One that is peeled off for a sample
leaves its error in the rest, and hides what is left. So when a search finds no more, each known
sample follows its valley to the end, and stays only if it solves the equations to rounding.
"""

from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.backward_search import ARRIVED, VALLEY, on_neurons
from spear.inversion.pair.levenberg_marquardt import NEARLY_NEWTON, minimise
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace

CERTAIN = 1e-12
"""Squared relative residual of a sample beyond doubt: true ones have 1e-13 at most, mixtures of two
1e-11."""


def backward_sharpened(problem: PairProblem, samples: Samples) -> Samples:
    """Solve samples on all neurons, as far as the descent gets; those at rounding, in order."""
    if len(samples) == 0:
        return samples
    space, m = RowSpace.of(problem), problem.m
    objective = on_neurons(problem, space)
    starts = objective.point(samples, space.coordinates(samples.rows))
    points, costs = minimise(objective, starts, VALLEY, ARRIVED * m, 0.0, NEARLY_NEWTON)
    _, v, _ = objective.parts(points[costs < CERTAIN * m])
    return samples_of_rows(problem, space.rows(v))[0]
