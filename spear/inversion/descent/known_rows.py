"""Rows p of Q^-1 of known directions: exact if a neuron has one of their samples left alone.

A certified direction says which neurons its sample activates, but its row is only a fit to these
m signs. Take out the samples whose rows are exact (`single_rows`). If one sample alone is left at
a neuron, the neuron's row of L is a multiple of its p. An unknown sample may still have a part in
it. So p is taken only if it gives the direction's own activity at every neuron. Two neurons that
give the same p are better evidence still.
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
    known sample. If two neurons agree on a row, only such rows are taken in that round. The rounds
    end if none gives a new row.

    Args:
        problem: the factorised observation.
        known: directions and fitted rows (f x b each). A row that no neuron shows stays as it is.
            In noise all stay, as a fit to all neurons averages it and one neuron does not.
    """
    if problem.noise.white or not len(known):
        return known
    rows, signs = known.rows.clone(), activity(problem, known.directions.T)
    active = signs[problem.active] > 0
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
    """Mark the rows that another neuron gives the same sample (k)."""
    same = torch.cdist(candidates, candidates) <= SAME * torch.linalg.vector_norm(candidates, dim=1)
    return (same & (owners[:, None] == owners)).sum(dim=1) > 1
