"""The second stage of GreedyFilter for noisy updates: lambda where sparsity does not decide."""

import torch
from torch import Tensor

from spear.inversion.descent.basis import Basis
from spear.inversion.directions.polish import SAME, is_distinct
from spear.inversion.directions.selection import greedy_filter
from spear.inversion.directions.sparsity_matching import activity
from spear.inversion.directions.zeros import sparsity
from spear.inversion.factors.factorization import Factorization

CANDIDATES = 2
"""Candidates to choose from, as a multiple of b: the sparsest ones."""

VERSION = 0.9
"""Cosine above which a noisy direction is another version of the same."""


def exchanged(problem: Factorization, basis: Basis, pool: Tensor) -> Basis:
    """Swap members of a full basis for others of the pool as long as lambda grows (Sec. 4.2).

    In noise a mixture may be as sparse as the directions that it mixes, but it does not fit the
    ReLU pattern. Of the versions in which noise lets a new member be found, the sparsest is the
    most exact.

    Args:
        problem: the factorised observation.
        basis: b independent directions.
        pool: all directions found (k x b).
    """
    order = sparsity(problem, pool.T).argsort(descending=True)
    candidates = pool[order[: CANDIDATES * problem.b]]
    swapped = greedy_filter(problem, candidates.T).directions.T
    fresh = is_distinct(swapped, SAME, basis.directions)
    versions = (swapped @ candidates.T).abs() > VERSION
    sparsest = candidates[versions.int().argmax(dim=1)]
    swapped = torch.where(fresh[:, None], sparsest, swapped)
    return Basis(swapped, activity(problem, swapped.T).T)
