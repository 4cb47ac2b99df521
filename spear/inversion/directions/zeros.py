"""Counting zeros: the sparsity that a true direction has and a random one lacks (Sec. 4.1)."""

import torch
from scipy.stats import binom
from torch import Tensor

from spear.inversion.factors.factorization import Decomposition

FIRST_TOLERANCE = 1e-3
"""Entries of L q below this (where the mean square of L q is 1) may be zeros of a direction that
was computed in float32 from b - 1 rows alone."""


def required_zeros(m: int, p_false_reject: float) -> int:
    """Largest count of zeros that a true column of dL/dZ falls below with probability < p_fr.

    A neuron is inactive for a sample with probability 1/2 at initialisation, so that the count of
    zeros in a column is binomial and its quantile is the threshold (Sec. 4.1).

    Args:
        m: rows of dL/dZ.
        p_false_reject: p_fr, the probability of rejecting a true direction.
    """
    return int(binom.ppf(p_false_reject, m, 0.5))


def sparsity_threshold(m: int, p_false_reject: float) -> float:
    """tau of Sec. 4.1, a share of m: 0.395 for m = 400 and p_fr = 1e-5."""
    return required_zeros(m, p_false_reject) / m


def required_active_zeros(problem: Decomposition, p_false_reject: float) -> int:
    """The threshold for L q on active rows.

    Inactive rows are zero for *every* direction: they use up zeros of the binomial count but carry
    no information. The threshold is at least b: the b - 1 rows that define a direction are zero for
    any direction at all, and one more has to confirm it.
    """
    inactive = problem.m - problem.left.shape[0]
    return max(required_zeros(problem.m, p_false_reject) - inactive, problem.b)


def first_zeros(left: Tensor, directions: Tensor) -> Tensor:
    """Number of entries of L q that may be zeros of directions not yet exact.

    Args:
        left: L or some of its rows (m' x b), of the directions' dtype.
        directions: unit vectors (k x b), float32 or from float32.

    Returns:
        k.
    """
    return ((directions @ left.T).abs() < FIRST_TOLERANCE).sum(dim=1)


def zero_pattern(problem: Decomposition, directions: Tensor) -> Tensor:
    """Mark the entries of L q that may be zero within the noise of the gradient.

    Args:
        problem: the factorised observation.
        directions: unit vectors as columns (b x k), float64.

    Returns:
        m' x k booleans on the active rows.
    """
    tolerance = problem.noise.not_zero * problem.noise.deviation(directions)
    return (problem.left @ directions).abs() <= tolerance


def sparsity(problem: Decomposition, directions: Tensor) -> Tensor:
    """Sparsity of each of the directions (unit columns, b x k), to rank candidates; k.

    Exact zeros are counted. In white noise a count would prefer directions of large error, because
    many of their entries pass for zeros. The sparsity is then the log-likelihood ratio of a true
    direction (half of its entries zero, the others normal of mean square 2) to a random one (all
    normal of mean square 1), on the active rows.
    """
    if not problem.noise.white:
        return zero_pattern(problem, directions).sum(dim=0).to(directions.dtype)
    squares = (problem.left @ directions).square()
    variance = problem.noise.deviation(directions).square()
    true = torch.logaddexp(_log_normal(squares, variance), _log_normal(squares, variance + 2.0))
    return (true - _log_normal(squares, variance + 1.0)).sum(dim=0)


def _log_normal(squares: Tensor, variance: Tensor) -> Tensor:
    """Logarithm of a centred normal density, up to a constant."""
    return -(squares / variance + variance.log()) / 2
