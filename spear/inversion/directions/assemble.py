"""The steps every exact attack shares: factorise, search, assemble."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from spear.budget import Budget
from spear.inversion.directions.scale import fix_scale
from spear.inversion.directions.scale_shows import scale_shows
from spear.inversion.directions.selection import Selection, greedy_filter
from spear.inversion.factors.factorization import Factorization, factorize
from spear.inversion.factors.input_errors import input_errors, qualified
from spear.observation import Observation
from spear.reconstruction import RESTS_ON_BIASES, Reconstruction, Status


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes:
        selection: its best Qbar and lambda.
        otherwise: the status if the ReLU pattern does not prove the selection.
        submatrices: number of submatrices sampled.
        details: further counts.
    """

    selection: Selection
    otherwise: Status = Status.PARTIAL
    submatrices: int = 0
    details: dict[str, float] = field(default_factory=dict)


def recover(
    observation: Observation,
    search: Callable[[Factorization], Found],
    rank: int | None,
    device: str,
    budget: Budget,
) -> Reconstruction:
    """Decompose, search, and assemble X^T = Q^-1 R and dL/dZ = L Q (Theorem 3.2).

    A batch of one needs no search: every direction in one dimension is the right one.

    Args:
        observation: the gradient and parameters that the server holds.
        search: finds the directions.
        rank: batch size; None to take it from the singular values.
        device: where to compute; the result is on the CPU.
        budget: of the attack.
    """
    with torch.no_grad():
        problem = factorize(observation.to(device), rank)
        if isinstance(problem, Status):
            return Reconstruction.empty(observation.m, observation.n, problem, budget.spent)
        return recovered(problem, search, budget)


def recovered(
    problem: Factorization, search: Callable[[Factorization], Found], budget: Budget
) -> Reconstruction:
    """Do the same for an observation that is decomposed; see `recover`."""
    if problem.b == 1:
        found = Found(greedy_filter(problem, problem.left.new_ones(1, 1)))
    else:
        found = search(problem)
    return _assemble(problem, found, budget)


def _assemble(problem: Factorization, found: Found, budget: Budget) -> Reconstruction:
    selection = found.selection
    disaggregation = fix_scale(problem, selection.directions)
    gradients = problem.left.new_zeros(problem.m, problem.b)
    gradients[problem.active] = problem.left @ disaggregation
    inputs = torch.linalg.solve(disaggregation, problem.right)
    details = found.details
    if selection.status is Status.EXACT and not scale_shows(problem, disaggregation):
        details = details | {RESTS_ON_BIASES: 1.0}
    status = found.otherwise if selection.status == Status.PARTIAL else selection.status
    status, details = qualified(status, details, input_errors(problem, disaggregation))
    return Reconstruction(
        inputs=inputs.cpu(),
        activation_gradients=gradients.cpu(),
        disaggregation=disaggregation.cpu(),
        sparsity_matching=selection.sparsity_matching,
        n_directions=selection.n_found,
        submatrices=found.submatrices,
        seconds=budget.spent,
        status=status,
        details=details,
    )
