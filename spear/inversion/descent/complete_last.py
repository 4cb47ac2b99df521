"""The last directions without a search: when the others are known, so is the row p.

A missing row p of Q^-1 is orthogonal to every known column q_l, and s . p = 1. With b - 1 known
this is one point, with b - 2 a line. A point p gives z = M p + bias, hence the zero set of its
column, hence the column itself: the kernel of those rows of L. On a line the m zeros of z_j bound
m + 1 intervals with one zero set each: all of them are tried.

A direction found like this need not be determined by its zero rows alone.

It also repairs a full basis with a false member i: row p_i of Q^-1 depends on the others alone.
"""

import torch
from torch import Tensor

from spear.inversion.directions.basis_of_space import orthogonal_complement
from spear.inversion.directions.exact import Polish
from spear.inversion.directions.sparsity_matching import ROUNDING
from spear.inversion.factors.factorization import Factorization
from spear.inversion.factors.gram import unit

CANDIDATES = 256
"""Zero sets tried at a time."""


def complete(problem: Factorization, polish: Polish, known: Tensor) -> Tensor:
    """Candidates for the directions missing from the known ones (f x b, independent rows).

    Returns:
        Exact directions (k x b): if none is missing, replacements for each member; if one or two
        are missing, candidates for these; otherwise an empty tensor.
    """
    missing = problem.b - len(known)
    if missing > 2:
        return known[:0]
    if missing == 0:
        inverse = torch.linalg.inv(known.T)
        rows = inverse / (inverse @ problem.bias_coordinates)[:, None]
    else:
        rows = _points(problem, known)
    found = [polish.exact(_columns(problem, polish, part)) for part in rows.split(CANDIDATES)]
    return torch.cat(found)


def _points(problem: Factorization, known: Tensor) -> Tensor:
    """A point p for each zero set possible under p . q_l = 0, s . p = 1 (1 x b or (m + 1) x b)."""
    free = orthogonal_complement(known.T).T
    sums = free @ problem.bias_coordinates
    point = (sums / sums.square().sum()) @ free
    if len(free) == 1:
        return point[None]
    slope = torch.stack([-sums[1], sums[0]]) @ free
    at_point = problem.projected_weight @ point + problem.bias
    ends = (-at_point / (problem.projected_weight @ slope)).sort().values
    ends = ends[ends.isfinite()]
    width = (ends[-1] - ends[0]).clamp(min=1.0)[None]
    padded = torch.cat([ends[:1] - width, ends, ends[-1:] + width])
    return point + ((padded[1:] + padded[:-1]) / 2)[:, None] * slope


def _columns(problem: Factorization, polish: Polish, rows: Tensor) -> Tensor:
    """The kernel of the rows of L on which M p + bias < 0 for sure, for each p (k x b)."""
    z = rows @ problem.projected_weight[problem.active].T + problem.bias[problem.active]
    return polish.kernels(z < -ROUNDING * z.std(dim=1, keepdim=True), unit(rows))
