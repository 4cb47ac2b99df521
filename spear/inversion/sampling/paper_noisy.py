"""The noisy mode of Algorithm 1 without any step of ours (App. E.6).

The paper names four changes and no number. Each is here as it stands there, with the two numbers
that it needs as settings: the tolerance of the zero test, and the lambda at which the search stops.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from spear.budget import Budget
from spear.errors import ConfigError
from spear.inversion.directions.assemble import Found
from spear.inversion.directions.distinct import SAME_IN_NOISE
from spear.inversion.directions.selection import Selection
from spear.inversion.directions.zeros import required_active_zeros
from spear.inversion.factors.factorization import Decomposition, Factorization
from spear.inversion.factors.noise import Noise
from spear.inversion.sampling.algorithm import SamplingAttack
from spear.inversion.sampling.noisy import chunks
from spear.inversion.sampling.overdetermined import Kernels, KernelSampler, SvdKernels
from spear.inversion.sampling.pool import AsDrawnPool, CandidatePool
from spear.settings import check_above_zero


class NoisyAsDrawnPool(AsDrawnPool):
    """Directions just as their submatrices gave them, the sparsest version of each.

    Versions of one direction differ by its noise (`SAME_IN_NOISE`).
    """

    angle: ClassVar[float] = (1 - SAME_IN_NOISE**2) ** 0.5


@dataclass(frozen=True, eq=False)
class SpearPaperNoisy(SamplingAttack):
    """Algorithm 1 with the changes of App. E.6, and no other.

    Submatrices have b + 1 rows. A kernel is kept if they have rank b - 1 exactly and if enough
    entries of L q are zeros by a looser tolerance. It is a candidate just as it is. The search ends
    if lambda reaches a value below 1.

    Where the paper leaves a choice: the tolerance is on |L q| of a unit vector q with the paper's
    factor L = U S^1/2 (Theorem 3.1). Rank b - 1 means that the tolerance explains the smallest
    singular value of L_A and none of the others.

    Args:
        layer: linear layer to attack, counted from 1 (Table 4); a ReLU must follow it.
        kernels: method that turns submatrices into directions; `SvdKernels` unless given.
        zero_tolerance: size of an entry of L q up to which it counts as zero, above 0, in the
            square root of the gradient's unit. docs/theory/noise-of-table-9.md says where the
            default is from.
        stop_at: lambda at which the search ends, above 0 and at most 1.
        p_false_reject, max_submatrices, time_limit, swaps, rank, device, dtype: see
            `SamplingSettings`.

    Raises:
        ConfigError: a setting is out of range.
    """

    kernels: KernelSampler | None = None
    zero_tolerance: float = 1e-3
    stop_at: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above_zero(zero_tolerance=self.zero_tolerance, stop_at=self.stop_at)
        if self.stop_at > 1:
            raise ConfigError(
                f"stop_at is {self.stop_at!r}; expected a lambda above 0 and at most 1."
            )

    def _search(self, problem: Factorization, seed: int, budget: Budget) -> Found:
        loose = replace(problem, noise=of_papers_factor(problem, self.zero_tolerance))
        return super()._search(loose, seed, budget)

    def _sample(self, problem: Factorization, seed: int) -> Iterator[tuple[Tensor, int]]:
        """Directions of submatrices of rank b - 1 that are sparse by the tolerance."""
        required = required_active_zeros(problem, self.p_false_reject)
        left = problem.left.to(self.search_dtype)
        kernels = self.kernels or SvdKernels()
        for drawn in chunks(kernels, left, seed, self.max_submatrices):
            ranked, tolerances = of_rank_below(problem, drawn)
            zeros = ((ranked @ left.T).abs() <= tolerances[:, None]).sum(dim=1)
            yield ranked[zeros >= required], len(drawn)

    def _pool(self, problem: Factorization) -> CandidatePool:
        return NoisyAsDrawnPool(problem, self.p_false_reject)

    def _is_enough(self, selection: Selection) -> bool:
        full = selection.n_found == selection.directions.shape[1]
        return full and selection.sparsity_matching >= self.stop_at


def of_papers_factor(problem: Decomposition, tolerance: float) -> Noise:
    """Return the zero test |L q| <= tolerance of unit vectors q with L = U S^1/2.

    The search has L = sqrt(m') U. For its unit vector q, that of the other factor is S^-1/2 q over
    its length, so that the test is |L q| <= tolerance sqrt(m' sum_t q_t^2 / S_t).
    """
    rows = problem.left.shape[0]
    return Noise(
        rows=torch.full_like(problem.noise.rows, tolerance),
        gains=rows / problem.singular_values,
        right=problem.noise.right,
        zero=1.0,
        not_zero=1.0,
        white=True,  # a loose zero test proves nothing: never exact
    )


def of_rank_below(problem: Decomposition, kernels: Kernels) -> tuple[Tensor, Tensor]:
    """Return the kernels of submatrices of rank b - 1 (k x b), and the tolerance of each (k).

    The b + 1 entries of L_A q are within the tolerance in root mean square. The other singular
    values are too large for that: the sum of their inverse squares is below that of the tolerance.
    """
    gains = kernels.directions.square() @ problem.noise.gains.to(kernels.directions.dtype)
    variances = gains * float(problem.noise.rows.square().mean())
    explained = (problem.b + 1) * variances
    kept = (kernels.residuals <= explained) & (kernels.errors * explained <= 1)
    return kernels.directions[kept], variances[kept].sqrt()
