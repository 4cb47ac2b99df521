"""Exact gradient inversion of a layer that a ReLU precedes, from the sparsity of its inputs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.attack import Progress, ProgressCallback
from spear.budget import Budget
from spear.inversion.directions.basis_of_space import completed_around
from spear.inversion.factors.factorizing_attack import FactorizingAttack
from spear.inversion.inputs.descent import Descent
from spear.inversion.inputs.pool import InputPool
from spear.inversion.inputs.problem import InputProblem, transposed
from spear.inversion.inputs.search import InputSearch
from spear.layers import Sparsity
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.settings import check_least


class SpearInput(FactorizingAttack):
    """Finds the sparse, nonnegative columns of X = R^T P (Sec. 3.2, input sparsity).

    For the last layer of a classifier, whose dL/dZ is dense: it returns the activations of the last
    hidden layer. It also runs on middle layers, where dL/dZ is sparse as well and `SpearIrls` needs
    half of the rows of L instead of half of those of R^T. Layers whose rows are nearly all on or
    off on one side may be easier from the other.

    `exact` rests on sparsity alone, not on the parameters of any layer (`pool`). Directions whose
    zeros do not determine them are never claimed: the attack then ends as `partial`. All of this
    supposes that the rank of dL/dW is the size of the batch, so that no linear layer after this
    one may be narrower than the batch before the next nonlinearity.

    Args:
        layer: linear layer to attack, counted from 1; a ReLU must precede it.
        search: method that finds directions; `Descent` unless given.
        time_limit: seconds per batch after which the search gives up; None for no limit.
        max_rounds: rounds of the search after which it gives up.
        rank: batch size; None to take it from the singular values of the gradient.
        device: where to search, "cpu" or "cuda"; linear programs are solved on the CPU.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        layer: int = 2,
        search: InputSearch | None = None,
        time_limit: float | None = 60.0,
        max_rounds: float = 1e6,
        rank: int | None = None,
        device: str = "cpu",
    ) -> None:
        check_least(1, max_rounds=max_rounds)
        super().__init__(layer, Sparsity.INPUT, time_limit, rank, device)
        self.search = search or Descent()
        self.max_rounds = max_rounds

    def __call__(
        self, observation: Observation, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`. `details` has rounds, starts and found directions."""
        budget = Budget(self.time_limit, progress)
        with torch.no_grad():
            problem = transposed(observation.to(self.device), self.rank)
            if isinstance(problem, Status):
                return Reconstruction.empty(observation.m, observation.n, problem, budget.spent)
            pool, searched = self._run(problem, seed, budget)
            return _assemble(problem, pool, searched, budget)

    def _run(
        self, problem: InputProblem, seed: int, budget: Budget
    ) -> "tuple[InputPool, _Searched]":
        pool, searched = InputPool(problem), _Searched()
        generator = torch.Generator(device=problem.left.device).manual_seed(seed)
        while len(pool) < problem.b and searched.otherwise == Status.PARTIAL:
            drawn = self.search(problem, pool.basis, searched.rounds, generator)
            pool.add(drawn.directions)
            searched.rounds += 1
            searched.starts += drawn.starts
            searched.submatrices += drawn.submatrices
            budget.report(Progress.directions(len(pool), problem.b, searched.submatrices))
            if searched.rounds >= self.max_rounds:
                searched.otherwise = Status.SAMPLES_EXHAUSTED
            elif budget.over():
                searched.otherwise = Status.TIMED_OUT
        return pool, searched


@dataclass
class _Searched:
    """Counts of a search, and its status unless it succeeds."""

    rounds: int = 0
    starts: int = 0
    submatrices: int = 0
    otherwise: Status = Status.PARTIAL


def _assemble(
    problem: InputProblem, pool: InputPool, searched: _Searched, budget: Budget
) -> Reconstruction:
    """X^T = P^T R and dL/dZ = L P^-T."""
    rows = _completed(problem, pool.basis)
    disaggregation = torch.linalg.inv(rows)
    inputs = problem.left.new_zeros(problem.b, problem.m)
    inputs[:, problem.active] = problem.inputs(rows)
    status = pool.status
    return Reconstruction(
        inputs=inputs.cpu(),
        activation_gradients=(problem.right.T @ disaggregation).cpu(),
        disaggregation=disaggregation.cpu(),
        sparsity_matching=1.0 - float(problem.negative(rows).to(rows.dtype).mean()),
        n_directions=len(pool),
        submatrices=searched.submatrices,
        seconds=budget.spent,
        status=searched.otherwise if status == Status.PARTIAL else status,
        details={
            "rounds": float(searched.rounds),
            "starts": float(searched.starts),
            "found": float(len(pool)),
        },
    )


def _completed(problem: InputProblem, found: Tensor) -> Tensor:
    """P^T (b x b) from the directions found; the last rows only complete the basis."""
    # Around the mean input, so that s . p = 1 is a scale at which they stay independent.
    mean = problem.sums / torch.linalg.vector_norm(problem.sums)
    return problem.scaled(completed_around(found, mean))
