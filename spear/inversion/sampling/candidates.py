"""The steps between a submatrix's kernel and the candidate pool, as parts to choose from.

Algorithm 1 keeps a kernel as it is (`AsDrawn`). Two steps were added here: each direction is
refitted to all of its zeros (`Refitted`), and mixtures are then told by their zero patterns
(`Determined`).
"""

from dataclasses import dataclass, replace
from typing import Protocol

import torch

from spear.inversion.factors.factorization import Factorization
from spear.inversion.factors.noise import Noise
from spear.inversion.sampling.pool import AsDrawnPool, CandidatePool, RefittedPool
from spear.settings import check_above_zero


class Candidates(Protocol):
    """Turns kernels into candidates. A new one gets a file in `conf/attack/candidates`."""

    def tested(self, problem: Factorization) -> Factorization:
        """Return the problem with the zero test that filters, selection and lambda are to use."""
        ...

    def pool(self, problem: Factorization, p_false_reject: float) -> CandidatePool:
        """Return an empty pool.

        Args:
            problem: as `tested` returned it.
            p_false_reject: p_fr of the sparsity threshold.
        """
        ...


@dataclass(frozen=True)
class AsDrawn:
    """Kernels as they are, and one fixed tolerance for zeros, as in the paper.

    Args:
        zero_tolerance: size up to which an entry of L q counts as zero, where the mean square of
            L q is 1. The paper names none. The zeros of four of five kernels of b - 1 rows in
            float32 are below 1e-5, and of 100 batches of 20 (m = 200) one has another such entry,
            so that its lambda stays below 1.

    Raises:
        ConfigError: the tolerance is not above 0.
    """

    zero_tolerance: float = 1e-5

    def __post_init__(self) -> None:
        check_above_zero(zero_tolerance=self.zero_tolerance)

    def tested(self, problem: Factorization) -> Factorization:
        """Implement `Candidates.tested`."""
        return replace(problem, noise=_fixed(problem, self.zero_tolerance))

    def pool(self, problem: Factorization, p_false_reject: float) -> CandidatePool:
        """Implement `Candidates.pool`."""
        return AsDrawnPool(problem, p_false_reject)


class Refitted:
    """Each direction refitted to all of its zeros; the noise of the gradient sets the zero test."""

    def tested(self, problem: Factorization) -> Factorization:
        """Implement `Candidates.tested`."""
        return problem

    def pool(self, problem: Factorization, p_false_reject: float) -> CandidatePool:
        """Implement `Candidates.pool`."""
        return RefittedPool(problem, p_false_reject)


class Determined(Refitted):
    """The same without mixtures: no single row may carry a dimension (the leverage test)."""

    def pool(self, problem: Factorization, p_false_reject: float) -> CandidatePool:
        """Implement `Candidates.pool`."""
        return CandidatePool(problem, p_false_reject)


def _fixed(problem: Factorization, tolerance: float) -> Noise:
    """A zero test that calls every entry of L q a zero up to the tolerance, whatever its row."""
    return Noise(
        rows=torch.full_like(problem.noise.rows, tolerance),
        gains=torch.ones_like(problem.noise.gains),
        right=0.0,
        zero=1.0,
        not_zero=1.0,
        white=False,
    )
