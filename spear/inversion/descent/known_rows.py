"""Rows p of Q^-1 for directions that are known: exact if some neuron leaves one of them alone.

A certified direction says which neurons its sample activates, but its row is only a fit to these
m signs. Where the sample is the only one left at a neuron, once the samples whose rows are exact
are taken out (`single_rows`), the neuron's row of L is p itself. That no unknown sample has a part
in it shows by the signs: p gives the direction's own activity at every neuron. Two neurons that
give the same p show it still better.
"""

import torch
from torch import Tensor

from spear.inversion.descent.deflation import Known
from spear.inversion.descent.single_rows import Rest
from spear.inversion.directions.sparsity_matching import activity, agreement
from spear.inversion.factors.factorization import Factorization

SAME = 1e-4
"""Distance of two neurons' rows, relative to their length, at which they are the same."""


def with_exact_rows(problem: Factorization, known: Known) -> Known:
    """Return known directions with their rows, exact where some neuron shows one.

    Each round takes out the samples whose rows are exact, which leaves further neurons with one
    known sample; rows that two neurons agree on go first. It ends if none gives a new row.

    Args:
        problem: the factorised observation.
        known: directions and fitted rows (f x b each), which stay where nothing better shows. So
            they do all in noise, to which a fit to all neurons bears more than one neuron does.
    """
    if problem.noise.white or not len(known):
        return known
    rows, active = known.rows.clone(), _is_active(problem, known.directions)
    signs = activity(problem, known.directions.T)
    exact = torch.zeros(len(known), dtype=torch.bool, device=rows.device)
    while True:
        rest = Rest.of(problem, Known(known.directions[exact], rows[exact]))
        waiting = active & ~exact
        neurons = (rest.open(problem) & (waiting.sum(dim=1) == 1)).nonzero().flatten()
        owners = waiting[neurons].to(torch.int8).argmax(dim=1)
        candidates = rest.candidates(neurons)
        right = agreement(problem, candidates, signs[:, owners]).all(dim=0)
        agreeing = right & _agree(candidates, owners)
        right = agreeing if agreeing.any() else right
        order = rest.sums[neurons].abs().argsort()
        order = order[right[order]]  # the largest sum, which rounding moves least, comes last
        if not len(order):
            return Known(known.directions, rows)
        for place in order.tolist():
            rows[owners[place]] = candidates[place]
        exact[owners[order]] = True


def _agree(candidates: Tensor, owners: Tensor) -> Tensor:
    """Whether another neuron gives the same sample the same row (k)."""
    same = torch.cdist(candidates, candidates) <= SAME * torch.linalg.vector_norm(candidates, dim=1)
    return (same & (owners[:, None] == owners)).sum(dim=1) > 1


def _is_active(problem: Factorization, directions: Tensor) -> Tensor:
    """Whether a sample activates a neuron, by its direction (m' x f)."""
    noise = problem.noise.not_zero * problem.noise.deviation(directions.T)
    return (problem.left @ directions.T).abs() > noise
