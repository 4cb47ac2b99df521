"""Search for the rows of a gated block: descents, and what is found is taken out.

Rows p_i and directions q_j of different positions satisfy p_i . q_j = 0. So the rows that are left
lie in the null space of the directions found, and the activations that are left in the row space of
G_d without what the positions found have of it.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spear.inversion.directions.basis_of_space import orthogonal_complement
from spear.inversion.factors.gram import unit
from spear.inversion.gated.forward import GatedConsistency
from spear.inversion.gated.problem import GatedProblem
from spear.inversion.pair.backward import kernels_of
from spear.inversion.pair.levenberg_marquardt import NEARLY_NEWTON, minimise
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.rows import biorthogonal, distinct_rows

STARTS = 64
"""Starts a round."""

ITERATIONS, POLISHING = 80, 10

ARRIVED, PROMISING = 1e-26, 1e-6
"""Squared relative residuals at which a start has arrived, and in the basin of a solution."""

SOLVED = 1e-7
"""Squared relative residual of a solution; false minima have 1e-2 and more."""

FITTING = 1e-2
"""Relative residual of backward consistency of a solution."""

BIORTHOGONAL = 1e-2
"""Largest |p_i . q_j| of two positions."""


@dataclass(frozen=True)
class Rest:
    """Rest of a block without the positions found.

    Attributes:
        problem: the block, with the row space of the activations that are left.
        basis: orthonormal columns that span the rows left (b x d).
    """

    problem: GatedProblem
    basis: Tensor


def search_round(
    problem: GatedProblem, known: Samples, length: float, generator: torch.Generator
) -> Samples:
    """Return what is known and new positions after one round of descents.

    Args:
        problem: the whole block.
        known: positions found.
        length: |x| to expect, n^(1/2) behind an RMSNorm.
        generator: of the starts.
    """
    rest = without(problem, known)
    objective = GatedConsistency(rest.problem, rest.basis, length)
    drawn = torch.randn(STARTS, rest.basis.shape[1], generator=generator, dtype=problem.gate.dtype)
    count = problem.m
    points, costs = minimise(
        objective, length * unit(drawn), ITERATIONS, ARRIVED * count, PROMISING * count
    )
    arrived = points[costs.argsort()][: int((costs < PROMISING * count).sum())]
    return consistent(problem, known, arrived @ rest.basis.T)


def consistent(problem: GatedProblem, known: Samples, rows: Tensor) -> Samples:
    """Solve rows (k x b) on the whole block, and return those that fit, behind the known ones."""
    solved = solved_rows(problem, rows)
    samples, errors = samples_of_rows(problem, distinct_rows(solved))
    both = known.and_others(samples[errors < FITTING])
    chosen = biorthogonal(both, both.rows.new_full((len(both),), BIORTHOGONAL))
    return both[chosen[: problem.b]]


def solved_rows(problem: GatedProblem, rows: Tensor) -> Tensor:
    """Solve forward consistency from nearly right rows, of any length; return those that fit."""
    objective = GatedConsistency(problem, torch.eye(problem.b).to(rows))
    points, costs = minimise(
        objective, rows, POLISHING, ARRIVED * problem.m, PROMISING * problem.m, NEARLY_NEWTON
    )
    return points[costs < SOLVED * problem.m]


def samples_of_rows(problem: GatedProblem, rows: Tensor) -> tuple[Samples, Tensor]:
    """Solve backward consistency for q and e of rows p.

    Given p it is linear: L q = [sigma'(u) * v; sigma(u)] * (V e) on all 2 m neurons.

    Args:
        problem: the whole block.
        rows: p (k x b).

    Returns:
        The samples, and the residual of each relative to |L q| (k).
    """
    _, by_gate, by_up = problem.values(rows)
    slopes = torch.cat([by_gate, by_up], dim=1)
    back = torch.cat([problem.back, problem.back])
    directions, nexts, errors = kernels_of(problem.left, back, slopes)
    return Samples.scaled(rows, directions, nexts), errors


def without(problem: GatedProblem, known: Samples) -> Rest:
    """Take positions out of a block."""
    if not len(known):
        return Rest(problem, torch.eye(problem.b).to(problem.gate))
    a, _, _ = problem.values(known.rows)
    rest = problem.next_values[:, None] * problem.activations - known.next_coordinates.T @ a
    space = torch.linalg.svd(rest, full_matrices=False).Vh[: problem.b - len(known)]
    return Rest(replace(problem, activations=space), orthogonal_complement(known.directions.T))
