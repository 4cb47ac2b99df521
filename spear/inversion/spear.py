"""SPEAR: exact gradient inversion by sampling, filtering and selecting directions (Algorithm 1)."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from spear.inversion.candidates import CandidatePool
from spear.inversion.factorization import Factorization
from spear.inversion.memory import bytes_at_once
from spear.inversion.refinement import FIRST_TOLERANCE
from spear.inversion.samplers import InformationSetSampler, Sampler
from spear.inversion.sampling import FIRST_CHUNK, GROWTH, SamplingAttack
from spear.inversion.selection import Selection

TEST_ROWS, TEST_ZEROS = 16, 2
"""The first filter: rows it looks at, and zeros among them that let a direction pass. A true
direction has fewer with probability 17 / 2^16; a random one has none, but for rounding."""

CPU_CHUNK_BYTES = 1 << 24
"""Submatrices that are worked on at once on a CPU, a few times the size of its cache."""

GPU_CHUNK_SHARE = 256
"""A GPU's memory holds this many of its chunks: PyTorch keeps memory for chunks of every size."""


class Spear(SamplingAttack):
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
        super().__init__(
            layer, p_false_reject, max_submatrices, time_limit, swaps, rank, device, dtype
        )
        self.sampler = sampler or InformationSetSampler()

    def _pool(self, problem: Factorization) -> CandidatePool:
        return CandidatePool(problem, self.p_false_reject)

    def _is_enough(self, selection: Selection) -> bool:
        return selection.sparsity_matching == 1.0

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
            count = math.ceil(GROWTH * count)


def largest_chunk(b: int, dtype: torch.dtype, device: torch.device) -> int:
    """Draws whose b x b matrices fit the cache of a CPU, or a share of a GPU's."""
    size = bytes_at_once(device, CPU_CHUNK_BYTES, GPU_CHUNK_SHARE)
    return max(FIRST_CHUNK, size // (b * b * dtype.itemsize))
