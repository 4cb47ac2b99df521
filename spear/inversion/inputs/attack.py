"""Exact gradient inversion of a layer that a ReLU precedes, from the sparsity of its inputs."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.attack import LayerAttack, Progress, ProgressCallback
from spear.errors import ConfigError
from spear.inversion.factors.rank import check_rank
from spear.inversion.inputs.descent import Descent
from spear.inversion.inputs.pool import InputPool
from spear.inversion.inputs.problem import InputProblem, transposed
from spear.inversion.inputs.search import InputSearch
from spear.layers import Sparsity
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status


class SpearInput(LayerAttack):
    """Finds the sparse, nonnegative columns of X = R^T P (Sec. 3.2, input sparsity).

    For the last layer of a classifier, whose dL/dZ is dense: what comes out are the activations of
    the last hidden layer. It runs on middle layers, too, where dL/dZ is sparse as well and
    `SpearIrls` needs half of the rows of L instead of half of those of R^T; layers whose rows are
    nearly all on or off on one side may be easier from the other.

    `exact` rests on sparsity alone, not on the parameters of any layer (`pool`). Directions whose
    zeros do not determine them are never claimed: the attack then ends as `partial`. All of this
    supposes that the rank of dL/dW is the size of the batch, so that no linear layer behind this
    one may be narrower than the batch before the next nonlinearity.

    Args:
        layer: linear layer to attack, counted from 1; a ReLU must precede it.
        search: how directions are found; `Descent` unless given.
        time_limit: seconds a batch after which the search gives up; None for no limit.
        max_rounds: rounds of the search after which it gives up.
        rank: batch size, if the singular values of the gradient shall not decide.
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
        check_rank(rank)
        if not max_rounds >= 1:
            raise ConfigError(f"attack.max_rounds is {max_rounds}; expected at least 1.")
        super().__init__(layer, Sparsity.INPUT)
        self.search = search or Descent()
        self.time_limit = time_limit
        self.max_rounds = max_rounds
        self.rank = rank
        self.device = device

    def __call__(
        self, observation: Observation, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """See `spear.attack.Attack`. `details` has rounds, starts and found directions."""
        start = time.perf_counter()
        with torch.no_grad():
            problem = transposed(observation.to(self.device), self.rank)
            if isinstance(problem, Status):
                seconds = time.perf_counter() - start
                return Reconstruction.empty(observation.m, observation.n, problem, seconds)
            pool, spent = self._run(problem, seed, start, progress)
            return _assemble(problem, pool, spent, start)

    def _run(
        self, problem: InputProblem, seed: int, start: float, progress: ProgressCallback | None
    ) -> "tuple[InputPool, _Spent]":
        pool, spent = InputPool(problem), _Spent()
        generator = torch.Generator(device=problem.left.device).manual_seed(seed)
        while len(pool) < problem.b and spent.otherwise == Status.PARTIAL:
            drawn = self.search(problem, pool.basis, spent.rounds, generator)
            pool.add(drawn.directions)
            spent.rounds += 1
            spent.starts += drawn.starts
            spent.submatrices += drawn.submatrices
            if progress:
                progress(Progress.directions(len(pool), problem.b, spent.submatrices))
            if spent.rounds >= self.max_rounds:
                spent.otherwise = Status.SAMPLES_EXHAUSTED
            elif self.time_limit is not None and time.perf_counter() - start > self.time_limit:
                spent.otherwise = Status.TIMED_OUT
        return pool, spent


@dataclass
class _Spent:
    """What a search has used, and how it ends unless it is successful."""

    rounds: int = 0
    starts: int = 0
    submatrices: int = 0
    otherwise: Status = Status.PARTIAL


def _assemble(
    problem: InputProblem, pool: InputPool, spent: _Spent, start: float
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
        submatrices=spent.submatrices,
        seconds=time.perf_counter() - start,
        status=spent.otherwise if status == Status.PARTIAL else status,
        details={
            "rounds": float(spent.rounds),
            "starts": float(spent.starts),
            "found": float(len(pool)),
        },
    )


def _completed(problem: InputProblem, found: Tensor) -> Tensor:
    """P^T (b x b) from the directions found; the last rows only complete the basis."""
    filling = torch.linalg.qr(found.T, mode="complete").Q[:, len(found) :].T
    # On top of the mean input, so that s . p = 1 is a scale at which they stay independent.
    mean = problem.sums / torch.linalg.vector_norm(problem.sums)
    lifted = filling + mean * torch.where(filling @ mean < 0, -1.0, 1.0)[:, None]
    return problem.scaled(torch.cat([found, lifted]))
