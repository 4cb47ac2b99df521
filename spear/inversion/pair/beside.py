"""Rows predicted from directions, beside what the samples of a class have in common.

The search on one layer predicts the row of a direction by C q / (s . C q) with C = L^T L, which
holds if the columns of dL/dZ are orthogonal (`spear.inversion.descent.coordinates`). Before few
classes they are not: sigma'(z_i) * (V e_i) is the mean slope times V e_i, which is alike for all
samples of a class, plus what the slopes fluctuate from neuron to neuron, which is of one sample
alone. The means lie in the range of V. So C = L^T (I - V V^+) L takes its place.
"""

import torch
from torch import Tensor

from spear.inversion.pair.problem import PairProblem

EASY = 4.5
"""Neurons for each of the b + r unknowns of a direction from which on L^T L does as well."""


def crowded(problem: PairProblem) -> bool:
    """Tell whether there are few neurons for the unknowns of a direction."""
    return problem.m < EASY * (problem.b + problem.r)


def common(problem: PairProblem) -> Tensor | None:
    """Columns on the active neurons to leave out of C, V (m' x r); None if it makes no odds."""
    return problem.back[problem.first.active] if crowded(problem) else None


def beside_common(problem: PairProblem, directions: Tensor) -> Tensor:
    """C q of directions q, which are likely to be parallel to their rows (k x b each)."""
    columns = directions @ problem.left.T
    basis = torch.linalg.qr(problem.back).Q
    return (columns - (columns @ basis) @ basis.T) @ problem.left
