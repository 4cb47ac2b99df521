"""From found directions to Q, with lambda = 1 as the proof."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.descent.deflation import Known
from spear.inversion.descent.known_rows import with_exact_rows
from spear.inversion.directions.basis_of_space import completed
from spear.inversion.directions.distinct import SAME_EXACT, SAME_IN_NOISE, is_distinct
from spear.inversion.directions.exact import Polish
from spear.inversion.directions.scale import fix_scale, is_regular
from spear.inversion.directions.selection import Selection, greedy_filter, sparsest_independent
from spear.inversion.directions.sparsity_matching import activity, agreement, pre_activations
from spear.inversion.directions.verdict import verdict
from spear.inversion.directions.zeros import sparsity
from spear.inversion.factors.factorization import Factorization
from spear.reconstruction import Status

SMALL_TURN = 1e-4
"""Angle by which a second fit may move a correct direction."""

CANDIDATES = 2
"""Candidates for swaps in noise, the sparsest ones, as a multiple of b."""


@dataclass(frozen=True)
class Basis:
    """The independent directions with the most zeros among those found.

    Attributes:
        directions: unit rows, those with the most zeros first (f x b).
        signs: -1, 0 or 1 for each of the m neurons (f x m), see `sparsity_matching.activity`.
    """

    directions: Tensor
    signs: Tensor

    def __len__(self) -> int:
        return len(self.directions)


def sparsest_basis(problem: Factorization, pool: Tensor, first: Tensor | None = None) -> Basis:
    """Greedy choice from the pool (k x b), optimal because independent sets form a matroid.

    A mixture of true directions has only their common zeros, fewer than each of its members, so
    that the true basis wins whenever the pool contains it. The exception is a direction whose zeros
    are nearly all zeros of another, too: a mixture of the two with one more zero then has the most.
    Directions in `first` (f x b), known to be right, go before the pool.
    """
    preferred = pool[:0] if first is None else first
    pool = torch.cat([preferred, pool])
    basis = pool[sparsest_independent(problem, pool.T, len(preferred))]
    return Basis(basis, activity(problem, basis.T).T)


def select(problem: Factorization, polish: Polish, basis: Basis, known: Known) -> Selection:
    """Qbar and its lambda (Definition 4.1); entries that noise leaves open count as agreeing.

    A full basis gives all pre-activations, so that each direction can be fitted once more to all of
    its zero rows. Fewer than b directions are filled up with vectors orthogonal to the rows p_l of
    the known ones, so that these are rows of Qbar^-1 and give their inputs: exact where
    `known_rows` says so, otherwise the best guess.
    """
    if len(basis) == problem.b:
        directions, found = _refitted(problem, polish, basis.directions), len(basis)
    else:
        rows = with_exact_rows(problem, known).rows
        directions, found = completed(known.directions, rows), len(known)
    rows = torch.linalg.inv(fix_scale(problem, directions.T))
    signs = activity(problem, directions.T)
    matched = agreement(problem, rows, signs)
    full = found == problem.b
    return Selection(
        directions=directions.T,
        sparsity_matching=float(matched.to(torch.float64).mean()),
        n_found=found,
        status=verdict(problem, directions.T, signs, matched) if full else Status.PARTIAL,
    )


def exchanged(problem: Factorization, basis: Basis, pool: Tensor) -> Basis:
    """Swap members of a full basis for others of the pool as long as lambda grows (Sec. 4.2).

    This is the second stage of GreedyFilter, for noisy updates alone. In noise a mixture may be as
    sparse as the directions that it mixes, but it does not fit the ReLU pattern. Noise yields
    several versions of a new member; the sparsest is the most exact.

    Args:
        problem: the factorised observation.
        basis: b independent directions.
        pool: all directions found (k x b).
    """
    order = sparsity(problem, pool.T).argsort(descending=True)
    candidates = pool[order[: CANDIDATES * problem.b]]
    swapped = greedy_filter(problem, candidates.T).directions.T
    fresh = is_distinct(swapped, SAME_EXACT, basis.directions)
    versions = (swapped @ candidates.T).abs() > SAME_IN_NOISE
    sparsest = candidates[versions.int().argmax(dim=1)]
    refined = torch.where(fresh[:, None], sparsest, swapped)
    if is_regular(refined):  # unless two members have the same sparsest version
        swapped = refined
    return Basis(swapped, activity(problem, swapped.T).T)


def _refitted(problem: Factorization, polish: Polish, directions: Tensor) -> Tensor:
    """Each direction as the kernel of the rows on which its sample's pre-activation is negative."""
    z = pre_activations(problem, torch.linalg.inv(fix_scale(problem, directions.T))).T
    rows = (z <= 0) & (activity(problem, directions.T).T <= 0)
    fitted = polish.kernels(rows[:, problem.active], directions)
    cosines = (fitted * directions).sum(dim=1, keepdim=True)
    small = problem.noise.angle(directions.T).clamp(min=SMALL_TURN)[:, None]
    fitted = torch.where(1 - cosines.square() < small.square(), fitted, directions)
    return fitted if is_regular(fitted) else directions
