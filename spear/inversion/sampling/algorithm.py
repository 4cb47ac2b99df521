"""The parts of Algorithm 1 that its two modes share: all but the draws and the stopping rule."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from spear.attack import LayerAttack, Progress, ProgressCallback
from spear.budget import Budget
from spear.inversion.directions.assemble import Found, recover
from spear.inversion.directions.selection import Selection, greedy_filter
from spear.inversion.factors.factorization import Factorization
from spear.inversion.sampling.pool import CandidatePool
from spear.inversion.sampling.settings import SamplingSettings
from spear.layers import Sparsity, check_number
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status

FIRST_CHUNK = 32
"""Draws in the first chunk."""

GROWTH = 1.25
"""Growth from one chunk to the next. The search tests its pool after whole chunks, so that it
counts at most a fifth too many submatrices."""


@dataclass(frozen=True, eq=False)
class SamplingAttack(SamplingSettings, LayerAttack, ABC):
    """Draws directions until b of them explain the gradient (Algorithm 1).

    Attributes:
        assurance: submatrices to draw in all, as a multiple of the number that was enough.

    Args:
        layer: linear layer to attack, counted from 1 (Table 4); a ReLU must follow it.

    Raises:
        ConfigError: a setting is out of range.
        LayerError: `layer` is no whole number.
    """

    layer: int = 1
    sparsity: Sparsity | None = field(default=Sparsity.GRADIENT, init=False, repr=False)

    assurance: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self.layer)

    def __call__(
        self, observation: Observation, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Reconstruct the batch behind `observation`; the same seed gives the same result."""

        budget = Budget(self.time_limit, progress)

        def search(problem: Factorization) -> Found:
            return self._search(problem, seed, budget)

        return recover(observation, search, self.rank, self.device, budget)

    @abstractmethod
    def _sample(self, problem: Factorization, seed: int) -> Iterator[tuple[Tensor, int]]:
        """Directions that pass the first filters, with the number of submatrices they came from."""

    @abstractmethod
    def _pool(self, problem: Factorization) -> CandidatePool:
        """An empty pool for sampled directions."""

    @abstractmethod
    def _is_enough(self, selection: Selection) -> bool:
        """Return whether to stop (line 9 of Algorithm 1)."""

    def _search(self, problem: Factorization, seed: int, budget: Budget) -> Found:
        """Run lines 3 to 14 of Algorithm 1."""
        pool = self._pool(problem)
        submatrices = 0
        next_selection = problem.b
        last = math.inf
        status = Status.SAMPLES_EXHAUSTED
        for directions, sampled in self._sample(problem, seed):
            submatrices += sampled
            found_new = pool.add(directions)
            if found_new and len(pool) >= next_selection:
                selection = greedy_filter(problem, pool.directions, self.swaps)
                if self._is_enough(selection):
                    last = min(last, self.assurance * submatrices)
                next_selection = _next_selection(len(pool), problem.b)
            if submatrices >= last:
                return Found(selection, Status.PARTIAL, submatrices)
            found = min(len(pool), problem.b)
            budget.report(Progress.directions(found, problem.b, submatrices))
            if budget.over():
                status = Status.TIMED_OUT
                break
        return Found(greedy_filter(problem, pool.directions, self.swaps), status, submatrices)


def _next_selection(size: int, b: int) -> int:
    """Pool size at which to select again: at any change while small, then after growing a tenth."""
    return size if size < 4 * b else size + size // 10
