"""Certificate of a direction behind a piecewise linear activation, by one least squares solve.

If the piece of every neuron is known, a = slope * (M p + c1) + offset is affine in p, and forward
consistency a linear least squares problem in it. The residual tells right from wrong.
"""

from torch import Tensor

from spear.inversion.pair.forward_search import PROMISING, SOLVED, on_all_neurons
from spear.inversion.pair.levenberg_marquardt import minimise
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace

CORRECTIONS = 4
"""Solutions with the pieces that the last one had: a misjudged neuron corrects itself."""


def certified_rows(problem: PairProblem, slopes: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Rows p whose activations lie in the row space of G2.

    Args:
        problem: whose next gradient spans the activations.
        slopes, offsets: a = slope * z + offset, of each neuron for each candidate (k x m).

    Returns:
        Rows of the candidates that pass, the best first (k' x b), and their indices (k').
    """
    space = RowSpace.of(problem)
    objective = on_all_neurons(problem, space)
    points = objective.of_pieces(slopes, offsets)
    points, costs = minimise(objective, points, CORRECTIONS, 0.0, PROMISING * problem.m)
    order = costs.argsort()
    right = order[costs[order] < SOLVED * problem.m]
    return space.rows(points[right]), right
