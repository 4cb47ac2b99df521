"""Proof of a solution without dL/dc1: the shape of the activation has to fix every length.

Both consistencies are asked as in `proof`, with the sum of all q as s. Besides, each sample's row
must be isolated among *all* rows, not only those with s . p = 1: an error of `ALLOWED_ERROR` in its
length or in any other direction has to show in forward consistency. Behind an odd activation -p
solves it as well, and dL/dc2 alone can tell.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.factors.input_errors import ALLOWED_ERROR
from spear.inversion.pair.forward import residuals
from spear.inversion.pair.forward_search import on_neurons
from spear.inversion.pair.free_rows import FreeRows
from spear.inversion.pair.isolation import AT_ONCE
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.proof import DEVIATIONS, ROUNDING, Evidence, evidence
from spear.reconstruction import Status


@dataclass(frozen=True)
class Judged:
    """A solution without dL/dc1, and the verdict on it.

    Attributes:
        disaggregation: Q (b x b).
        evidence: of it.
        but_for_signs: end of the attack if the signs are known.
        signs_open: whether -x has the same gradients for some input x.
    """

    disaggregation: Tensor
    evidence: Evidence
    but_for_signs: Status
    signs_open: bool

    @property
    def status(self) -> Status:
        """End of the attack."""
        if self.signs_open and self.but_for_signs is Status.EXACT:
            return Status.APPROXIMATE
        return self.but_for_signs


def judged(problem: PairProblem, rows: Tensor) -> Judged:
    """Choose the signs of a solution, and judge it.

    Args:
        problem: the whole pair.
        rows: P (b x b).
    """
    odd = _have_negatives(problem, rows)
    told = odd & ~_are_even(problem, rows) if problem.next_bias is not None else odd & False
    if problem.next_bias is not None and bool(told.any()):
        rows = torch.where(told, _signs(problem, rows, problem.next_bias), 1.0)[:, None] * rows
    disaggregation = torch.linalg.inv(rows)
    found = evidence(problem.with_sum(disaggregation.sum(dim=1)), disaggregation)
    open_ = bool((odd & ~told).any())
    return Judged(disaggregation, found, _status(problem, rows, found), open_)


def _status(problem: PairProblem, rows: Tensor, found: Evidence) -> Status:
    if not found.explained:
        return Status.PARTIAL
    exact = not problem.noisy and found.at_rounding
    if exact and isolated(problem, rows, ROUNDING + DEVIATIONS * found.forward_error):
        return Status.EXACT
    return Status.APPROXIMATE


def isolated(problem: PairProblem, rows: Tensor, tolerances: Tensor) -> bool:
    """Tell whether an error of `ALLOWED_ERROR` in any input, its length included, would show.

    Args:
        problem: the whole pair.
        rows: P (b x b).
        tolerances: relative residuals of forward consistency that are tolerated (b).
    """
    objective = on_neurons(problem, FreeRows.of(problem))
    parts = torch.split(rows, AT_ONCE)
    matrices = torch.cat([objective.normal_equations(part)[0] for part in parts]) / problem.m
    values = problem.first.singular_values
    lengths = torch.linalg.vector_norm(values * rows, dim=1)
    metric = torch.diag(values.square())
    shown = matrices / tolerances.square()[:, None, None]
    least = metric / (ALLOWED_ERROR * lengths).square()[:, None, None]
    return bool((torch.linalg.cholesky_ex(shown - least).info == 0).all())


def _have_negatives(problem: PairProblem, rows: Tensor) -> Tensor:
    """Mark the rows whose negatives satisfy forward consistency as well (b)."""
    most = torch.maximum(10 * residuals(problem, rows), rows.new_tensor(ROUNDING))
    return residuals(problem, -rows) <= most


def _are_even(problem: PairProblem, rows: Tensor) -> Tensor:
    """Mark the rows p and -p with the same activations, which leave the same dL/dc2 (b)."""
    a, turned = (problem.activation.value(problem.pre_activations(each)) for each in (rows, -rows))
    norms = torch.linalg.vector_norm(a, dim=1)
    return torch.linalg.vector_norm(turned - a, dim=1) <= ROUNDING * norms


def _signs(problem: PairProblem, rows: Tensor, bias: Tensor) -> Tensor:
    """Signs of the samples with which their parts of dL/dc2 sum to it (b)."""
    a = problem.activation.value(problem.pre_activations(rows))
    second = problem.next_values[:, None] * problem.activations
    nexts = torch.linalg.lstsq(a.T, second.T).solution
    return torch.linalg.lstsq(nexts.T, bias[:, None]).solution[:, 0].sign()
