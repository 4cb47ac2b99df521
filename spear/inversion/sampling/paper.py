"""SPEAR as the paper prints it: Algorithm 1 without any step of ours (Sec. 5.1)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spear.budget import Budget
from spear.inversion.directions.assemble import Found
from spear.inversion.factors.factorization import Factorization
from spear.inversion.sampling.attack import Spear
from spear.inversion.sampling.candidates import AsDrawn, Candidates
from spear.inversion.sampling.pool import CandidatePool
from spear.inversion.sampling.samplers import IndependentSvdSampler, Sampler


@dataclass(frozen=True, eq=False)
class SpearPaper(Spear):
    """Algorithm 1 to the letter.

    Submatrices are independent, each has one singular value decomposition, and its kernel is a
    candidate just as it is if it has m tau zeros. Each part can be replaced, so that a list of
    configurations leads from here to `Spear` (`experiment=ablation_from_paper`).

    Where the paper leaves a choice: L is whitened, which Theorem 3.2 permits, so that one tolerance
    for zeros fits every direction. GreedyFilter runs after whole chunks of submatrices. The pool
    keeps the sparsest 50 b candidates. If N submatrices give fewer than b independent directions,
    others complete them to a basis.

    Args:
        layer: linear layer to attack, counted from 1 (Table 4); a ReLU must follow it.
        sampler: method that turns submatrices into directions; `IndependentSvdSampler` unless
            given.
        candidates: steps between a kernel and the candidate pool; `AsDrawn` unless given.
        p_false_reject, max_submatrices, time_limit, swaps, rank, device: see `SamplingSettings`.
        dtype: precision of the decompositions, "float32" or "float64"; `AsDrawn` makes it that of
            the result.

    Raises:
        ConfigError: a setting is out of range.
    """

    candidates: Candidates | None = None

    usual_sampler: ClassVar[type[Sampler]] = IndependentSvdSampler

    def _search(self, problem: Factorization, seed: int, budget: Budget) -> Found:
        return super()._search(self._candidates.tested(problem), seed, budget)

    def _pool(self, problem: Factorization) -> CandidatePool:
        return self._candidates.pool(problem, self.p_false_reject)

    def _draw(
        self, sampler: Sampler, left: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, int]:
        """All directions of a chunk: every row of L may be drawn, and no filter comes before C."""
        directions = sampler.draw(left, count, generator)
        return directions, len(directions)

    @property
    def _candidates(self) -> Candidates:
        return self.candidates or AsDrawn()
