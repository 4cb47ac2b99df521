"""Certificate of a direction behind a piecewise linear activation, by one least squares solve.

If the piece of every neuron is known, a = slope * (M p + c1) + offset is affine in p, and forward
consistency a linear least squares problem in it. The residual tells right from wrong.
"""

import torch
from torch import Tensor

from spear.inversion.pair.forward import residuals
from spear.inversion.pair.forward_search import (
    PROMISING,
    SOLVED,
    on_neurons,
    solution_squares,
    subset,
)
from spear.inversion.pair.levenberg_marquardt import NEARLY_NEWTON, minimise
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace

NEURONS = 4.0
"""Neurons in a subset: this many times b, and a few more."""

CORRECTIONS = 3
"""Solutions with the pieces that the last one had: a misjudged neuron corrects itself."""

NEARLY = 0.1
"""Squared relative residual up to which misjudged neurons may be the reason; mixtures of two have
0.1 to 0.6."""


def certified_rows(
    problem: PairProblem, slopes: Tensor, offsets: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Rows p whose activations lie in the row space of G2.

    Solved on a random subset of the neurons, and tested on all.

    Args:
        problem: whose next gradient spans the activations.
        slopes, offsets: a = slope * z + offset, of each neuron for each candidate (k x m).
        generator: of the subset.

    Returns:
        Rows of the candidates that pass, the best first (k' x b), and their indices (k').
    """
    space = RowSpace.of(problem)
    neurons = subset(problem, NEURONS, generator)
    objective = on_neurons(problem, space, neurons)
    points = objective.of_pieces(slopes[:, neurons], offsets[:, neurons])
    costs = objective.cost(points) / len(neurons)
    nearly = ((costs > SOLVED) & (costs < NEARLY)).nonzero()[:, 0]
    points[nearly], _ = minimise(
        objective, points[nearly], CORRECTIONS, 0.0, PROMISING * len(neurons), NEARLY_NEWTON
    )
    rows = space.rows(points)
    errors = residuals(problem, rows).square()
    order = errors.argsort()
    right = order[errors[order] < solution_squares(problem, rows[order])]
    return rows[right], right
