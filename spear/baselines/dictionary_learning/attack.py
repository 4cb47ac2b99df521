"""Complete dictionary learning on a layer's gradient, in the place of SPEAR's sampling."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from spear.attack import Progress, ProgressCallback
from spear.baselines.dictionary_learning.l4 import L4Maximisation
from spear.baselines.dictionary_learning.rounding import rounded
from spear.budget import Budget
from spear.inversion.directions.assemble import Found, recover
from spear.inversion.directions.distinct import NEARLY_SAME, distinct
from spear.inversion.directions.exact import Polish
from spear.inversion.directions.selection import greedy_filter
from spear.inversion.factors.factorization import Factorization
from spear.inversion.factors.factorizing_attack import FactorizingAttack
from spear.layers import Sparsity
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.settings import check_least


class Learner(Protocol):
    """An algorithm of complete dictionary learning."""

    def __call__(
        self, samples: Tensor, generator: torch.Generator, over: Callable[[], bool]
    ) -> Tensor:
        """Return unit directions (k x b) in which preconditioned samples (m x b) are sparse.

        It stops with what it has when `over` says so.
        """
        ...


class DictionaryLearning(FactorizingAttack):
    """Learns the sparse factor of dL/dW = (dL/dZ) X^T as a complete dictionary.

    The rows of L, whitened, are m samples of a dictionary of b atoms with the rows of dL/dZ for
    codes: L^T = Q^-T (dL/dZ)^T, and half of a code's entries are zero. SPEAR++ (Bakarsky et al.,
    "SPEAR++: Scaling Gradient Inversion via Sparsely-Used Dictionary Learning", arXiv 2510.24200)
    builds on this. Its code is not public, and the stored copies of the paper end before its
    tables: neither its choice of algorithm nor its figures are known here. This attack reruns
    not SPEAR++ but the textbook algorithms that it stands on.

    Ours: the rounding's linear program by reweighted least squares, the refit to exact zeros, the
    choice of b directions (Algorithm 3 of SPEAR) and the proof by the ReLU pattern, without which
    no result is `exact`.

    Args:
        layer: linear layer to attack, counted from 1; a ReLU must follow it.
        learner: the algorithm; `L4Maximisation()` unless given.
        restarts: runs of it from new random starts, at most.
        time_limit: seconds per batch after which the best so far is returned; None for no limit. 64
            directions are rounded in any case.
        rank: batch size; None to take it from the singular values of the gradient.
        device: where to compute, "cpu" or "cuda".

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        layer: int = 1,
        learner: Learner | None = None,
        restarts: int = 10,
        time_limit: float | None = 60.0,
        rank: int | None = None,
        device: str = "cpu",
    ) -> None:
        check_least(1, restarts=restarts)
        super().__init__(layer, Sparsity.GRADIENT, time_limit, rank, device)
        self.learner = learner or L4Maximisation()
        self.restarts = restarts

    def __call__(
        self, observation: Observation, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`; `details` has the runs of the learner."""
        budget = Budget(self.time_limit, progress)

        def search(problem: Factorization) -> Found:
            return self._search(problem, torch.Generator().manual_seed(seed), budget)

        return recover(observation, search, self.rank, self.device, budget)

    def _search(self, problem: Factorization, generator: torch.Generator, budget: Budget) -> Found:
        polish = Polish(problem)
        known = problem.left.new_zeros(0, problem.b)
        otherwise = Status.PARTIAL
        runs = 0
        while True:
            learnt = self.learner(problem.left, generator, budget.over)
            learnt = rounded(problem.left, learnt, budget.over)
            known = torch.cat([known, distinct(polish(learnt), NEARLY_SAME, known)])
            runs += 1
            selection = greedy_filter(problem, known.T)
            budget.report(Progress.directions(selection.n_found, problem.b))
            solved = selection.status in (Status.EXACT, Status.APPROXIMATE)
            if solved or runs >= self.restarts:
                break
            if budget.over():
                otherwise = Status.TIMED_OUT
                break
        return Found(selection, otherwise, details={"runs": float(runs)})
