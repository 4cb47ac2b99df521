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
"""Neurons for each of the b + r unknowns of a direction; with more of them L^T L does as well."""


KERNEL = 1e-4
"""Singular values of [L, -l V] that count as 0, relative to the largest; one saturated neuron of
hundreds makes 1e-2."""


def crowded(problem: PairProblem) -> bool:
    """Tell whether columns of dL/dZ are too alike for L^T L to predict rows.

    They are if there are few neurons for the unknowns of a direction, or if the inner piece is
    around 0, where nearly all neurons of nearly all samples have the inner slope.
    """
    pieces = problem.activation.pieces
    centred = pieces is not None and pieces.lower < 0 < pieces.upper
    return centred or problem.m < EASY * (problem.b + problem.r)


def linear_directions(problem: PairProblem) -> tuple[Tensor, Tensor]:
    """Return a basis of the (q, e) with L q = l (V e) on all neurons, l the inner slope.

    A sample with every z in the inner piece is one of them. With two such samples and more only the
    span is told, by anything that the two layers share ("Limits" in docs/theory/layer-pairs.md).

    Args:
        problem: with a piecewise linear activation.

    Returns:
        q (k x b) and e (k x r).
    """
    assert problem.activation.pieces is not None
    scale = torch.linalg.vector_norm(problem.left) / torch.linalg.vector_norm(problem.back)
    matrix = torch.cat([problem.left, -scale * problem.activation.pieces.inner * problem.back], 1)
    _, values, mixing = torch.linalg.svd(matrix, full_matrices=False)
    kernel = mixing[values < KERNEL * values[0]]
    return kernel[:, : problem.b], scale * kernel[:, problem.b :]


def common(problem: PairProblem) -> Tensor | None:
    """Columns on the active neurons to leave out of C, V (m' x r); None if L^T L does as well."""
    return problem.back[problem.first.active] if crowded(problem) else None


def beside_common(problem: PairProblem, directions: Tensor) -> Tensor:
    """C q of directions q, which are likely to be parallel to their rows (k x b each)."""
    columns = directions @ problem.left.T
    basis = torch.linalg.qr(problem.back).Q
    return (columns - (columns @ basis) @ basis.T) @ problem.left
