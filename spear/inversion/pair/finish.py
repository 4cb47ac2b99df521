"""From samples found one after the other to the whole batch, as exactly as the gradients allow."""

import torch
from torch import Tensor

from spear.inversion.directions.basis_of_space import completed
from spear.inversion.directions.exact import Polish
from spear.inversion.directions.scale import fix_scale, is_regular
from spear.inversion.directions.sparsity_matching import ROUNDING
from spear.inversion.factors.gram import unit
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.joint_fit import refit
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import CERTAIN, PairProblem

SPARE = 9
"""Zeros beyond those that determine a direction, so that rounding does not decide."""


def finished(problem: PairProblem, samples: Samples) -> Tensor:
    """Q (b x b) of all samples, fitted to the gradients as they were shared.

    With a piecewise linear activation the pieces are known, and each direction is a kernel: of its
    inactive neurons behind a ReLU, else of backward consistency. Otherwise, and behind a ReLU that
    leaves too few neurons inactive, all samples are fitted together; with noise by
    `likelihood_fit`.

    Args:
        problem: the whole layer pair.
        samples: all of its samples.
    """
    pieces = problem.activation.pieces
    if not problem.noisy and (pieces is None or _few_zeros(problem, samples.rows)):
        return torch.linalg.inv(refit(problem, samples.rows))
    if pieces is None:
        return unfinished(problem, samples)
    if problem.activation.name == "relu":
        directions = _zero_directions(problem, samples)
    else:
        directions = samples_of_rows(problem, samples.rows)[0].directions
    directions = unit(directions).T
    if not is_regular(directions):  # the pieces do not tell the samples apart
        return unfinished(problem, samples[:1])
    return fix_scale(problem.first, directions)


def _zero_directions(problem: PairProblem, samples: Samples) -> Tensor:
    """Unit directions of all samples behind a ReLU (b x b).

    With noise the entries of L q tell the inactive neurons better than rows from the other gradient
    do.
    """
    if not problem.noisy:
        return kernels(problem, samples.rows)
    exact = Polish(problem.first).exact(unit(samples.directions))
    return exact if len(exact) == problem.b else samples.directions


def unfinished(problem: PairProblem, samples: Samples) -> Tensor:
    """Q (b x b) of some samples, first, completed to a basis."""
    filled = completed(unit(samples.directions), samples.rows)
    return fix_scale(problem.first, filled.T)


def _few_zeros(problem: PairProblem, rows: Tensor) -> bool:
    if problem.activation.name != "relu":
        return False
    return not bool(determined_by_zeros(problem, rows).all())


def determined_by_zeros(problem: PairProblem, rows: Tensor) -> Tensor:
    """Mark the rows whose inactive neurons determine the direction: b - 1 do, and `SPARE` (k)."""
    return inactive(problem, rows).sum(dim=1) >= problem.b - 1 + SPARE


def kernels(problem: PairProblem, rows: Tensor) -> Tensor:
    """Return unit directions that vanish on the neurons which rows leave inactive (k x b)."""
    return Polish(problem.first).kernels(inactive(problem, rows), unit(rows))


def inactive(problem: PairProblem, rows: Tensor) -> Tensor:
    """Mark the neurons that rows certainly leave inactive, of those with a gradient (k x m')."""
    active = problem.first.active
    z = problem.pre_activations(rows)[:, active]
    if len(z) == 0:
        return torch.zeros_like(z, dtype=torch.bool)
    open_ = ROUNDING * z.std(dim=1, keepdim=True)
    if problem.noisy:
        open_ = torch.maximum(open_, CERTAIN * problem.deviation(rows)[:, active])
    return z < -open_
