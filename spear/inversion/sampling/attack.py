"""SPEAR: exact gradient inversion by sampling, filtering and selecting directions (Algorithm 1)."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from spear.inversion.directions.selection import Selection
from spear.inversion.factors.factorization import Factorization
from spear.inversion.sampling.algorithm import FIRST_CHUNK, GROWTH, SamplingAttack
from spear.inversion.sampling.pool import CandidatePool
from spear.inversion.sampling.samplers import InformationSetSampler, Sampler
from spear.inversion.sampling.screening import draw_promising, largest_chunk


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
        """Directions that pass the first filter, with the number of submatrices they came from."""
        left = problem.left.to(self.dtype)
        generator = torch.Generator(device=left.device).manual_seed(seed)
        count, most = FIRST_CHUNK, largest_chunk(problem.b, self.dtype, left.device)
        remaining = self.max_submatrices
        while remaining > 0:
            count = min(count, most, math.ceil(remaining / self.sampler.per_draw(problem.b)))
            directions, drawn = draw_promising(self.sampler, left, count, generator)
            yield directions, drawn
            remaining -= drawn
            count = math.ceil(GROWTH * count)
