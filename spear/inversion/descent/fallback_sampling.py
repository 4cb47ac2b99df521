"""Directions by random sampling, as in Algorithm 1, for small batches if the descent is stuck.

While a network trains its activations become correlated: most neurons are on for most samples, and
a column of dL/dZ is no longer much sparser than mixtures of columns, but the descent relies on
that. Sampling needs b - 1 zero rows of a column, however many others there are.
"""

import math

import torch
from torch import Tensor

from spear.inversion.directions.exact import SEARCH_DTYPE
from spear.inversion.factors.factorization import Factorization
from spear.inversion.sampling.samplers import InformationSetSampler
from spear.inversion.sampling.screening import draw_promising, largest_chunk, sparsest_distinct

TIMES = 64
"""Expected hits of a column that is zero on half of the rows; correlated ones have far fewer."""

SPARE = 3
"""Zeros beyond the b - 1 of its submatrix that make a direction promising."""

KEPT = 8
"""Different directions kept, as a multiple of b, those with the most zeros."""


def sampled_directions(problem: Factorization, generator: torch.Generator) -> tuple[Tensor, int]:
    """The sparsest directions of one chunk of submatrices, unless the batch is too large for it.

    One submatrix in 2^(b-1) hits a column that is zero on half of the rows (Lemma 5.2).

    Args:
        problem: the factorised observation.
        generator: on its device.

    Returns:
        Unit vectors (k x b), float64, and the number of submatrices drawn: 0 if a chunk has fewer
        than 2^(b-1) of them.
    """
    left, b = problem.left.to(SEARCH_DTYPE), problem.b
    sampler = InformationSetSampler()
    most, enough = largest_chunk(b, SEARCH_DTYPE, left.device), 2 ** (b - 1) / sampler.per_draw(b)
    if left.shape[0] <= b or most < enough:
        return problem.left[:0], 0
    count = min(most, math.ceil(TIMES * enough))
    directions, drawn = draw_promising(sampler, left, count, generator)
    return sparsest_distinct(problem.left, directions, least_zeros=b - 1 + SPARE)[: KEPT * b], drawn
