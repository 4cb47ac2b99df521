"""Exact gradient inversion in polynomial time: each direction by descent, not by chance."""

from collections.abc import Callable

from spear.attack import Progress, ProgressCallback
from spear.budget import Budget
from spear.inversion.descent.rounds import Search, Settings
from spear.inversion.directions.assemble import Found, recover, recovered
from spear.inversion.factors.factorization import Factorization
from spear.inversion.factors.factorizing_attack import FactorizingAttack
from spear.layers import Sparsity
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.settings import check_least


class SpearIrls(FactorizingAttack):
    """Finds the sparse directions of L by iteratively reweighted least squares.

    The theory is the paper's: dL/dW = L R (Theorem 3.2), L q is sparse for the columns q of Q, the
    bias gradient gives their scale (Theorem 3.5), and lambda = 1 is the proof (Definition 4.1).
    Only the search differs. Sampling submatrices until b - 1 rows happen to be zeros of one column
    takes a number of draws exponential in b. Here each start descends to a sparse direction, and a
    constant share of the starts arrives at a true one.

    Args:
        layer: linear layer to attack, counted from 1 (Table 4); a ReLU must follow it.
        time_limit: seconds per batch after which the search gives up; None for no limit.
        max_starts: starts after which it gives up.
        rank: batch size; None to take it from the singular values of the gradient.
        device: where to search, "cpu" or "cuda".
        settings: which ideas the search uses; all of them unless given.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        layer: int = 1,
        time_limit: float | None = 60.0,
        max_starts: float = 1e6,
        rank: int | None = None,
        device: str = "cpu",
        settings: Settings | None = None,
    ) -> None:
        check_least(1, max_starts=max_starts)
        super().__init__(layer, Sparsity.GRADIENT, time_limit, rank, device)
        self.max_starts = max_starts
        self.settings = settings or Settings()

    def __call__(
        self, observation: Observation, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`.

        `details` has rounds, starts and certified directions.
        """
        budget = Budget(self.time_limit, progress)
        search = self._search(seed, budget)
        return recover(observation, search, self.rank, self.device, budget)

    def reconstruct(self, problem: Factorization, seed: int, budget: Budget) -> Reconstruction:
        """Reconstruct the batch behind a gradient in factors; see `__call__`.

        Args:
            problem: the observation, on the device of the search.
            seed: of the starts.
            budget: of this search; `seconds` of the result is what it has spent.
        """
        return recovered(problem, self._search(seed, budget), budget)

    def _search(self, seed: int, budget: Budget) -> Callable[[Factorization], Found]:
        return lambda problem: self._run(
            problem, Search(problem, self.settings, seed, budget.over), budget
        )

    def _run(self, problem: Factorization, search: Search, budget: Budget) -> Found:
        otherwise = Status.PARTIAL
        while True:
            search.round()
            budget.report(Progress.directions(len(search.known), problem.b, search.submatrices))
            if search.solved or search.starts >= self.max_starts:
                break
            if budget.over():
                otherwise = Status.TIMED_OUT
                break
        details = {
            "rounds": float(search.rounds),
            "starts": float(search.starts),
            "certified": float(problem.b if search.solved else len(search.known)),
        }
        return Found(search.selection, otherwise, search.submatrices, details)
