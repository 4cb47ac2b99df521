"""The candidate pool C: sparse directions, each once (Sec. 4.1, Algorithm 1, lines 6 and 7)."""

from typing import ClassVar

import torch
from torch import Tensor

from spear.inversion.directions.determined import is_determined
from spear.inversion.directions.distinct import (
    SAME_EXACT,
    SAME_SAMPLED,
    first_of_each,
    is_distinct,
)
from spear.inversion.directions.exact import refine
from spear.inversion.directions.zeros import first_zeros, required_active_zeros, zero_pattern
from spear.inversion.factors.factorization import Decomposition

LARGEST_POOL = 50
"""Candidates kept, as a multiple of b; the least sparse go first."""


class CandidatePool:
    """Directions that passed both sparsity filters, refined, without duplicates.

    Args:
        problem: the factorised observation.
        p_false_reject: p_fr of the sparsity threshold.
    """

    def __init__(self, problem: Decomposition, p_false_reject: float) -> None:
        self.problem = problem
        self.required = required_active_zeros(problem, p_false_reject)
        self.directions = problem.left.new_zeros(problem.b, 0)
        self._left32 = problem.left.to(torch.float32)

    def __len__(self) -> int:
        return self.directions.shape[1]

    def add(self, directions: Tensor) -> bool:
        """Filter directions (k x b, unit rows), refine what passes; True if any was new."""
        left = self._left32.to(directions.dtype)
        sparse = directions[first_zeros(left, directions) >= self.required]
        if sparse.shape[0] == 0:
            return False
        return self.add_refined(refine(self.problem, sparse.T))

    def add_refined(self, refined: Tensor) -> bool:
        """Filter refined directions (unit columns, b x k, float64); True if any was new."""
        zeros = zero_pattern(self.problem, refined)
        kept = (zeros.sum(dim=0) >= self.required) & self._is_right(refined, zeros)
        return self._take(refined[:, kept])

    def _is_right(self, refined: Tensor, zeros: Tensor) -> Tensor:
        """Tell mixtures of true directions from these by their zero patterns (k booleans)."""
        return is_determined(self.problem, refined, zeros)

    def _take(self, candidates: Tensor) -> bool:
        fresh = first_of_each(candidates.T, SAME_EXACT, self.directions.T)
        self.directions = torch.cat([self.directions, fresh.T], dim=1)
        self._drop_least_sparse()
        return len(fresh) > 0

    def _drop_least_sparse(self) -> None:
        largest = LARGEST_POOL * self.problem.b
        if len(self) > largest:
            zeros = zero_pattern(self.problem, self.directions).sum(dim=0)
            self.directions = self.directions[:, zeros.argsort(descending=True)[:largest]]


class RefittedPool(CandidatePool):
    """Refined directions that are sparse enough, mixtures included."""

    def _is_right(self, refined: Tensor, zeros: Tensor) -> Tensor:
        return torch.ones(refined.shape[1], dtype=torch.bool, device=refined.device)


class AsDrawnPool(RefittedPool):
    """Directions that are sparse enough, just as their submatrices gave them (Sec. 4.1).

    Attributes:
        angle: angle below which two of them are versions of one direction.
    """

    angle: ClassVar[float] = SAME_SAMPLED

    def add(self, directions: Tensor) -> bool:
        """Filter directions (k x b, unit rows); True if any was new."""
        return self.add_refined(directions.to(torch.float64).T)

    def _take(self, candidates: Tensor) -> bool:
        """Keep the sparsest version of each direction: each submatrix gives one of its own."""
        known, everything = len(self), torch.cat([self.directions, candidates], dim=1)
        zeros = zero_pattern(self.problem, everything).sum(dim=0)
        order = zeros.argsort(descending=True, stable=True)
        kept = order[is_distinct(everything[:, order].T, self.angle)]
        kept = kept[: LARGEST_POOL * self.problem.b]
        self.directions = everything[:, kept]
        return bool((kept >= known).any())
