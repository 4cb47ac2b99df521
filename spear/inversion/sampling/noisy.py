"""SPEAR's noisy mode: Algorithm 1 for gradients with noise in them (App. E.6).

The paper names four changes and no number; here every number follows from the noise that the
gradient itself shows (`spear.inversion.factors.noise`):

* submatrices L_A have b + 1 rows, so that noise does not pass unchecked into a direction;
* only those of rank exactly b - 1 are kept, as far as the noise level allows;
* an entry of L q passes for zero within the noise of the gradient and of q;
* the search stops when each sample disagrees with its ReLU pattern no more than the noise explains
  (`spear.inversion.directions.verdict`), where lambda would have to be 1.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy.stats import chi2
from torch import Tensor

from spear.inversion.directions.distinct import SAME_EXACT, is_distinct
from spear.inversion.directions.exact import Polish
from spear.inversion.directions.selection import Selection
from spear.inversion.directions.zeros import FIRST_TOLERANCE, required_active_zeros, sparsity
from spear.inversion.factors.factorization import Factorization
from spear.inversion.sampling.algorithm import FIRST_CHUNK, SamplingAttack
from spear.inversion.sampling.overdetermined import Kernels, KernelSampler, LeverageKernels
from spear.inversion.sampling.pool import CandidatePool
from spear.inversion.sampling.screening import largest_chunk
from spear.reconstruction import Status

CHUNK_SHARE = 4
"""Number of matrices of its size that a draw works on for each one that an inverse does."""


RANDOM, BY_CHANCE = 1000, 0.01
"""Number of random directions that show how many entries are small by chance, and the share of them
that may pass for sparse. Each that does costs a refinement, which refuses it."""


class NoisyPool(CandidatePool):
    """The pool C for directions whose sparsity was tested with a tolerance of their own.

    They are refitted to all their zero rows by total least squares (`Polish`). In noise, rows seem
    zeros in one sample of a direction and not in the next, so that it is found in many nearly equal
    versions. The pool keeps the sparsest of those that the zero test cannot tell apart.
    """

    def __init__(self, problem: Factorization, p_false_reject: float) -> None:
        super().__init__(problem, p_false_reject)
        self.factorization = problem
        self._polish = Polish(problem)

    def add(self, directions: Tensor) -> bool:
        """Refine sparse directions (k x b, unit rows) and add them; True if any was new."""
        if directions.shape[0] == 0:
            return False
        return self.add_refined(self._polish(directions.to(torch.float64)).T)

    def _take(self, candidates: Tensor) -> bool:
        known, everything = len(self), torch.cat([self.directions, candidates], dim=1)
        order = sparsity(self.factorization, everything).argsort(descending=True, stable=True)
        everything = everything[:, order].T
        noise = self.factorization.noise
        angles = (noise.not_zero * noise.angle(everything.T)).clamp(min=SAME_EXACT)
        kept = is_distinct(everything, angles[:, None])
        self.directions = everything[kept].T
        return bool((order[kept] >= known).any())


@dataclass(frozen=True, eq=False)
class SpearNoisy(SamplingAttack):
    """Algorithm 1 with the changes of App. E.6.

    Its directions are refined on all zero rows; the paper keeps to b + 1. Within strong noise a
    mixture can pass the acceptance test, so that the search draws twice as many as were enough.

    Args:
        layer: linear layer to attack, counted from 1 (Table 4); a ReLU must follow it.
        kernels: method that turns submatrices into directions; `LeverageKernels` unless given.
        p_false_reject, max_submatrices, time_limit, swaps, rank, device, dtype: see
            `SamplingSettings`. `p_false_reject` is also the chance to reject a submatrix of zero
            rows for its smallest singular value.

    Raises:
        ConfigError: a setting is out of range.
    """

    kernels: KernelSampler | None = None

    assurance: ClassVar[float] = 2.0

    def _sample(self, problem: Factorization, seed: int) -> Iterator[tuple[Tensor, int]]:
        """Directions of submatrices of rank b - 1 that are sparse within the noise."""
        left = problem.left.to(self.search_dtype)
        required = required_active_zeros(problem, self.p_false_reject)
        widest = widest_tolerance(problem, required)
        kernels = self.kernels or LeverageKernels()
        for drawn in chunks(kernels, left, seed, self.max_submatrices):
            ranked, tolerances = of_full_rank(problem, drawn, self.p_false_reject, widest)
            zeros = ((ranked @ left.T).abs() <= tolerances[:, None]).sum(dim=1)
            yield ranked[zeros >= required], len(drawn)

    def _pool(self, problem: Factorization) -> CandidatePool:
        return NoisyPool(problem, self.p_false_reject)

    def _is_enough(self, selection: Selection) -> bool:
        return selection.status is not Status.PARTIAL


def chunks(
    kernels: KernelSampler, left: Tensor, seed: int, max_submatrices: float
) -> Iterator[Kernels]:
    """Yield the kernels of random submatrices, twice as many each time, at most N in all.

    Args:
        kernels: method that draws them.
        left: active rows of L (m' x b); fewer than it needs give none.
        seed: seed of the draws.
        max_submatrices: N.
    """
    rows, b = left.shape
    if rows < kernels.rows(b):
        return
    generator = torch.Generator(device=left.device).manual_seed(seed)
    most = max(FIRST_CHUNK, largest_chunk(b, left.dtype, left.device) // CHUNK_SHARE)
    count, remaining = FIRST_CHUNK, max_submatrices
    while remaining > 0:
        count = min(count, most, math.ceil(remaining / kernels.per_draw(b)))
        drawn = kernels.draw(left, count, generator)
        yield drawn
        remaining -= len(drawn)
        count *= 2


def of_full_rank(
    problem: Factorization, kernels: Kernels, p_false_reject: float, widest: float
) -> tuple[Tensor, Tensor]:
    """The rank test: find the submatrices of rank b - 1, no more and no less.

    On b + 1 zero rows, |L_A q|^2 has two degrees of freedom of the noise's variance; one that is
    larger than such a sum is with probability p_fr has rank b. The other singular values must be so
    large that the direction's own error leaves its zeros to be told from those of a random one.

    Args:
        problem: the factorised observation.
        kernels: of (b + 1) x b submatrices.
        p_false_reject: p_fr.
        widest: tolerance above which zeros carry no information.

    Returns:
        The directions that pass (k x b), and for each the size up to which an entry of L q may be
        zero (k): noise of the entry and error of the direction together.
    """
    noise = problem.noise
    directions = kernels.directions
    gains = directions.square() @ noise.gains.to(directions.dtype)
    variances = gains * float(noise.rows.square().mean())
    variances = variances.clamp(min=(FIRST_TOLERANCE / noise.not_zero) ** 2)
    tolerances = noise.not_zero * (variances * (1 + kernels.errors)).sqrt()
    passed = kernels.residuals <= float(chi2.ppf(1 - p_false_reject, 2)) * variances
    passed &= tolerances <= widest
    return directions[passed], tolerances[passed]


def widest_tolerance(problem: Factorization, required: int) -> float:
    """The tolerance at which the share `BY_CHANCE` of random directions has enough zeros.

    Args:
        problem: the factorised observation.
        required: zeros that are enough, b + 1 of which a direction was made to have.
    """
    left = problem.left
    generator = torch.Generator(device=left.device).manual_seed(0)
    shape = (problem.b, RANDOM)
    random = torch.randn(shape, generator=generator, device=left.device, dtype=left.dtype)
    entries = (left @ (random / torch.linalg.vector_norm(random, dim=0))).abs()
    return float(
        entries.kthvalue(max(required - problem.b - 1, 1), dim=0).values.quantile(BY_CHANCE)
    )
