"""Algorithm 1 but for how directions are drawn and what is enough: its two modes share the rest."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from spear.attack import LayerAttack, Progress, ProgressCallback
from spear.errors import ConfigError
from spear.inversion.directions.assemble import Found, recover
from spear.inversion.directions.selection import Selection, greedy_filter
from spear.inversion.factors.factorization import Factorization
from spear.inversion.factors.rank import check_rank
from spear.inversion.sampling.pool import CandidatePool
from spear.layers import Sparsity
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status

DTYPES = {"float32": torch.float32, "float64": torch.float64}

FIRST_CHUNK = 32
"""Draws in the first chunk."""

GROWTH = 1.25
"""Of a chunk beside the last one. The search looks at what it has after whole chunks, so that it
counts at most a fifth too many submatrices."""


class SamplingAttack(LayerAttack, ABC):
    """Draws directions until b of them explain the gradient (Algorithm 1).

    Attributes:
        assurance: submatrices to draw in all, as a multiple of those after which it was enough.

    Args: see `spear.inversion.sampling.attack.Spear`.

    Raises:
        ConfigError: a setting is out of range.
    """

    assurance = 1.0

    def __init__(
        self,
        layer: int,
        p_false_reject: float,
        max_submatrices: float,
        time_limit: float | None,
        swaps: bool,
        rank: int | None,
        device: str,
        dtype: str,
    ) -> None:
        if not 0 < p_false_reject < 1:
            raise ConfigError(
                f"attack.p_false_reject is {p_false_reject}; expected a probability in (0, 1)."
            )
        if dtype not in DTYPES:
            raise ConfigError(f"attack.dtype is {dtype!r}; expected one of {sorted(DTYPES)}.")
        check_rank(rank)
        super().__init__(layer, Sparsity.GRADIENT)
        self.p_false_reject = p_false_reject
        self.max_submatrices = max_submatrices
        self.time_limit = time_limit
        self.swaps = swaps
        self.rank = rank
        self.device = device
        self.dtype = DTYPES[dtype]

    def __call__(
        self, observation: Observation, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Reconstruct the batch behind `observation`; the same seed gives the same result."""

        def search(problem: Factorization, start: float) -> Found:
            return self._search(problem, seed, start, progress)

        return recover(observation, search, self.rank, self.device)

    @abstractmethod
    def _sample(self, problem: Factorization, seed: int) -> Iterator[tuple[Tensor, int]]:
        """Directions that pass the first filters, with the number of submatrices they came from."""

    @abstractmethod
    def _pool(self, problem: Factorization) -> CandidatePool:
        """An empty pool for what is sampled."""

    @abstractmethod
    def _is_enough(self, selection: Selection) -> bool:
        """Whether to stop (line 9 of Algorithm 1)."""

    def _search(
        self, problem: Factorization, seed: int, start: float, progress: ProgressCallback | None
    ) -> Found:
        """Lines 3 to 14 of Algorithm 1."""
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
            if progress:
                progress(Progress.directions(min(len(pool), problem.b), problem.b, submatrices))
            if self.time_limit is not None and time.perf_counter() - start > self.time_limit:
                status = Status.TIMED_OUT
                break
        return Found(greedy_filter(problem, pool.directions, self.swaps), status, submatrices)


def _next_selection(size: int, b: int) -> int:
    """Pool size at which to select again: at any change while small, then after growing a tenth."""
    return size if size < 4 * b else size + size // 10
