"""SPEAR: exact gradient inversion by sampling, filtering and selecting directions (Algorithm 1)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spear.inversion.directions.selection import Selection
from spear.inversion.factors.factorization import Factorization
from spear.inversion.sampling.algorithm import FIRST_CHUNK, GROWTH, SamplingAttack
from spear.inversion.sampling.pool import CandidatePool
from spear.inversion.sampling.samplers import InformationSetSampler, Sampler
from spear.inversion.sampling.screening import draw_promising, largest_chunk


@dataclass(frozen=True, eq=False)
class Spear(SamplingAttack):
    """Algorithm 1 with every direction refitted and tested (`SpearPaper` is without).

    Args:
        layer: linear layer to attack, counted from 1 (Table 4); a ReLU must follow it.
        sampler: method that turns submatrices into directions; `InformationSetSampler` unless
            given.
        p_false_reject, max_submatrices, time_limit, swaps, rank, device, dtype: see
            `SamplingSettings`.

    Raises:
        ConfigError: a setting is out of range.
    """

    sampler: Sampler | None = None

    usual_sampler: ClassVar[type[Sampler]] = InformationSetSampler

    def _pool(self, problem: Factorization) -> CandidatePool:
        return CandidatePool(problem, self.p_false_reject)

    def _is_enough(self, selection: Selection) -> bool:
        return selection.sparsity_matching == 1.0

    def _sample(self, problem: Factorization, seed: int) -> Iterator[tuple[Tensor, int]]:
        """Directions that pass the first filter, with the number of submatrices they came from."""
        left = problem.left.to(self.search_dtype)
        sampler = self.sampler or self.usual_sampler()
        generator = torch.Generator(device=left.device).manual_seed(seed)
        count, most = FIRST_CHUNK, largest_chunk(problem.b, left.dtype, left.device)
        remaining = self.max_submatrices
        while remaining > 0:
            count = min(count, most, math.ceil(remaining / sampler.per_draw(problem.b)))
            directions, drawn = self._draw(sampler, left, count, generator)
            yield directions, drawn
            remaining -= drawn
            count = math.ceil(GROWTH * count)

    def _draw(
        self, sampler: Sampler, left: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, int]:
        """One chunk: the directions worth a look, and how many were drawn."""
        return draw_promising(sampler, left, count, generator)
