"""SPEAR: exact gradient inversion by sampling, filtering and selecting directions (Algorithm 1)."""

import math
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from spear.attack import Progress, ProgressCallback
from spear.errors import ConfigError
from spear.inversion.candidates import CandidatePool
from spear.inversion.factorization import Factorization
from spear.inversion.recovery import Found, recover
from spear.inversion.refinement import FIRST_TOLERANCE
from spear.inversion.samplers import InformationSetSampler, Sampler
from spear.inversion.selection import greedy_filter
from spear.networks import Sparsity
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status

DTYPES = {"float32": torch.float32, "float64": torch.float64}

TEST_ROWS, TEST_ZEROS = 16, 2
"""The first filter: rows it looks at, and zeros among them that let a direction pass. A true
direction has fewer with probability 17 / 2^16; a random one has none, but for rounding."""

FIRST_CHUNK = 32
"""Draws in the first chunk; each chunk has twice as many as the last."""

CPU_CHUNK_BYTES = 1 << 24
"""Submatrices that are worked on at once on a CPU, a few times the size of its cache."""


class Spear:
    """Algorithm 1 of the paper.

    Args:
        layer: linear layer to attack, counted from 1 (Table 4); a ReLU must follow it.
        sampler: how submatrices become directions; `InformationSetSampler` unless given.
        p_false_reject: p_fr, the chance to reject a true direction for its sparsity (Sec. 4.1).
        max_submatrices: N, at which the search gives up (the paper's is 2e9).
        time_limit: seconds a batch after which the search gives up; None for no limit.
        swaps: whether GreedyFilter runs its second stage (Sec. 4.2; Fig. 6 is without).
        rank: batch size, if the singular values of the gradient shall not decide.
        device: where to search, "cpu" or "cuda".
        dtype: precision of the search, "float32" or "float64"; what it finds is always refined in
            float64.

    Raises:
        ConfigError: a setting is out of range.
    """

    def __init__(
        self,
        layer: int = 1,
        sampler: Sampler | None = None,
        p_false_reject: float = 1e-5,
        max_submatrices: float = 2e9,
        time_limit: float | None = None,
        swaps: bool = True,
        rank: int | None = None,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        if not 0 < p_false_reject < 1:
            raise ConfigError(
                f"attack.p_false_reject is {p_false_reject}; expected a probability in (0, 1)."
            )
        if dtype not in DTYPES:
            raise ConfigError(f"attack.dtype is {dtype!r}; expected one of {sorted(DTYPES)}.")
        if rank is not None and rank < 1:
            raise ConfigError(
                f"attack.rank is {rank}; expected at least 1, or null for an estimate."
            )
        self.layer = layer
        self.sparsity = Sparsity.GRADIENT
        self.sampler = sampler or InformationSetSampler()
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

    def _search(
        self, problem: Factorization, seed: int, start: float, progress: ProgressCallback | None
    ) -> Found:
        """Lines 3 to 14 of Algorithm 1."""
        pool = CandidatePool(problem, self.p_false_reject)
        submatrices = 0
        next_selection = problem.b
        status = Status.SAMPLES_EXHAUSTED
        for directions, sampled in self._sample(problem, seed):
            submatrices += sampled
            found_new = pool.add(directions)
            if found_new and len(pool) >= next_selection:
                selection = greedy_filter(problem, pool.directions, self.swaps)
                if selection.sparsity_matching == 1.0:
                    return Found(selection, status, submatrices)
                next_selection = _next_selection(len(pool), problem.b)
            if progress:
                progress(Progress(min(len(pool), problem.b), problem.b, submatrices))
            if self.time_limit is not None and time.perf_counter() - start > self.time_limit:
                status = Status.TIMED_OUT
                break
        return Found(greedy_filter(problem, pool.directions, self.swaps), status, submatrices)

    def _sample(self, problem: Factorization, seed: int) -> Iterator[tuple[Tensor, int]]:
        """Directions that pass the first filter, with the number of submatrices they came from.

        The first filter looks at a few rows kept out of the submatrices. A random direction has no
        zeros there, a true one is zero on half of them; no submatrix is favoured, because which
        rows are kept out changes from chunk to chunk.
        """
        left = problem.left.to(self.dtype)
        generator = torch.Generator(device=left.device).manual_seed(seed)
        m, b = left.shape
        test_rows = max(min(TEST_ROWS, m - b), 0)
        test_zeros = TEST_ZEROS if test_rows == TEST_ROWS else 0
        count, most = FIRST_CHUNK, largest_chunk(b, self.dtype, left.device)
        remaining = self.max_submatrices
        while remaining > 0:
            count = min(count, most, math.ceil(remaining / self.sampler.per_draw(b)))
            shuffled = torch.rand(m, generator=generator, device=left.device).argsort()
            tested, sampled = left[shuffled[:test_rows]], left[shuffled[test_rows:]]
            directions = self.sampler.draw(sampled, count, generator)
            zeros = ((directions @ tested.T).abs() < FIRST_TOLERANCE).sum(dim=1)
            yield directions[zeros >= test_zeros], directions.shape[0]
            remaining -= directions.shape[0]
            count *= 2


def _next_selection(size: int, b: int) -> int:
    """Pool size at which to select again: at once while small, then after growth by a tenth."""
    return size + 1 if size < 4 * b else size + size // 10


def largest_chunk(b: int, dtype: torch.dtype, device: torch.device) -> int:
    """Draws whose b x b matrices fit the cache of a CPU, or a share of a GPU's free memory."""
    size = CPU_CHUNK_BYTES
    if device.type == "cuda":
        size = torch.cuda.mem_get_info(device)[0] // 16
    return max(FIRST_CHUNK, int(size) // (b * b * dtype.itemsize))
