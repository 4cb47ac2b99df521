"""Numbers of submatrices that SPEAR samples, and its failure probability (Sec. 5.2, App. B).

All results are for the random model of Lemma 5.1: entries of dL/dZ are zero with probability 1/2,
and independent. Real gradients come close if the layer is wide (m >> b).
"""

import math

import numpy as np
from scipy.special import gammaln, logsumexp, ndtri
from scipy.stats import binom

SINGULAR_BOUND = 0.939
"""Base of the bound on the probability that a random 0-1 matrix is singular (Lemma 5.1)."""

SINGULAR_LIMIT = 0.5
"""Limit of that base as the matrix grows; the paper's approximations use it."""


def q_lower_bound(b: int) -> float:
    """Lemma 5.1: a random submatrix has exactly one zero column and full rank with q >= this.

    q >= b / 2^(b-1) (1 - 0.939^(b-1)). The paper's own figures (1.8e5 submatrices for b = 16 in
    Sec. 5.2, 4e4 for b = 10 in App. B) take this bound for q.

    Args:
        b: batch size, at least 2.
    """
    return _zero_column(b) * -math.expm1((b - 1) * math.log(SINGULAR_BOUND))


def q_approximation(b: int) -> float:
    """Lemma 5.1 for large b: q = b / 2^(b-1) (1 - 0.5^(b-1)), that is with o_{b-1}(1) = 0.

    An overestimate for small b: the other columns are singular with probability 0.52 for b = 4,
    where 0.5^(b-1) is 0.13.

    Args:
        b: batch size, at least 2.
    """
    return _zero_column(b) * -math.expm1((b - 1) * math.log(SINGULAR_LIMIT))


def no_zero_column(b: int) -> float:
    """Sec. 4.1: p = (1 - 1/2^(b-1))^b, the probability that a submatrix has no column of zeros.

    Such a submatrix gives a mixture of directions, which a filter must discard.

    Args:
        b: batch size, at least 2.
    """
    return (1.0 - _zero_column(b) / b) ** b


def n_total_expected(b: int, q: float | None = None, per_draw: int = 1) -> float:
    """Lemma 5.2: n*_total = b H_b / q submatrices until each of b directions was met, on average.

    The lemma is for independent submatrices. For others it is multiplied by `repetition(per_draw)`.

    Args:
        b: batch size, at least 2.
        q: probability that a submatrix gives a true direction, in (0, 1]; `q_lower_bound(b)`
            unless given.
        per_draw: submatrices that one draw of the sampler yields (`Sampler.per_draw`).
    """
    q = q_lower_bound(b) if q is None else q
    return b * math.fsum(1 / k for k in range(1, b + 1)) / q * repetition(per_draw)


def repetition(per_draw: int) -> float:
    """Hits of a direction per draw that meets it, 2 n / (n + 1), in [1, 2).

    A draw of n rows yields n submatrices, each without one of them. If all n rows are zeros of a
    direction, all n submatrices give it. So a direction needs that many times the submatrices of
    Lemma 5.2, which are independent (docs/theory/sampling.md).

    Args:
        per_draw: n; 1 if each submatrix has rows of its own.
    """
    return 2 * per_draw / (per_draw + 1)


def n_total_bound(b: int, p: float, p_fr: float = 0.0, q: float | None = None) -> float:
    """Lemma B.2: n^p_total submatrices suffice for all b directions with probability 1 - p.

    c = b log(2b / p*) true directions contain all b of them except with probability p*/2, where
    p* = p - 1 + (1 - p_fr)^b; n submatrices contain c true directions except with probability
    p*/2 = Phi((c - n q) / sqrt(n q (1 - q))), a quadratic equation in sqrt(n). (The lemma's
    display has p/2 on its left side; its proof has p*/2, which the union bound needs.)

    Args:
        b: batch size, at least 2.
        p: probability of failure allowed, in (0, 1).
        p_fr: probability of falsely rejecting a true direction, in [0, 1).
        q: as in `n_total_expected`.

    Returns:
        n, or infinity if false rejections alone exceed p (p* <= 0).
    """
    q = q_lower_bound(b) if q is None else q
    remaining = p - _any_rejected(b, p_fr)
    if remaining <= 0:
        return math.inf
    directions = b * math.log(2 * b / remaining)
    spread = -float(ndtri(remaining / 2)) * math.sqrt(q * (1 - q))
    root = (spread + math.sqrt(spread**2 + 4 * q * directions)) / (2 * q)
    return root**2


def p_fail_bound(b: int, m: int, p_fr: float = 0.0) -> float:
    """Lemma 5.3: upper bound on the failure probability when every submatrix is looked at.

    b (1 - sum_{k=b-1}^m C(m, k) 2^-m (1 - 0.939^((b-1) C(k, b-1)))) + 1 - (1 - p_fr)^b, and at
    most 1.

    The lemma assumes that the C(k, b-1) submatrices are independent, so that this is no longer a
    bound once they are many: the random model fails more often where one column of dL/dZ is zero
    wherever another is, with a probability of about b (b-1) (3/4)^m (b = 5, m = 20: 0.07 against
    0.05 here).

    Args:
        b: batch size, at least 2.
        m: neurons of the layer, at least 1.
        p_fr: probability of falsely rejecting a true direction, in [0, 1).
    """
    missed = math.exp(_log_no_submatrix(b, m, SINGULAR_BOUND))
    return min(b * missed + _any_rejected(b, p_fr), 1.0)


def p_fail_approximation(b: int, m: int, p_fr: float = 0.0) -> float:
    """Lemma 5.3, with independent submatrices that are singular with probability 0.5^(b-1).

    1 - (sum_{k=b-1}^m C(m, k) 2^-m (1 - 0.5^((b-1) C(k, b-1))))^b + 1 - (1 - p_fr)^b, and at
    most 1. Arguments as in `p_fail_bound`.
    """
    log_missed = _log_no_submatrix(b, m, SINGULAR_LIMIT)
    # exp of a rounded sum of probabilities may exceed 1 by an ulp.
    missed_any = 1.0 if log_missed >= 0 else -math.expm1(b * math.log1p(-math.exp(log_missed)))
    return min(missed_any + _any_rejected(b, p_fr), 1.0)


def p_false_reject(tau: float, m: int) -> float:
    """p_fr(tau, m) of Sec. 4.1: a true column of dL/dZ has fewer than tau m zeros.

    2^-m sum_{i < tau m} C(m, i). The paper's sum includes i = tau m if that is an integer, but its
    example (tau = 0.395, m = 400: below 1e-5) holds only without that term.

    Args:
        tau: smallest share of zeros that is accepted, in [0, 1].
        m: neurons of the layer, at least 1.
    """
    # tau is often the quotient of an integer and m, whose product with m may miss the integer.
    fewest = math.ceil(tau * m - 1e-9)
    return float(binom.cdf(fewest - 1, m, 0.5))


def _zero_column(b: int) -> float:
    """b / 2^(b-1): the expected number of zero columns of a (b-1) x b submatrix."""
    if b < 2:
        raise ValueError(f"b is {b}; the lemmas of Sec. 5.2 are about batches of at least 2.")
    return math.ldexp(b, 1 - b)


def _any_rejected(b: int, p_fr: float) -> float:
    """1 - (1 - p_fr)^b."""
    return -math.expm1(b * math.log1p(-p_fr))


def _log_no_submatrix(b: int, m: int, base: float) -> float:
    """log(1 - sum_{k=b-1}^m C(m, k) 2^-m (1 - base^((b-1) C(k, b-1)))).

    As the binomial distribution sums to 1, this is the log of sum_{k=0}^m C(m, k) 2^-m base^e_k
    with e_k = (b-1) C(k, b-1), which is 0 for k < b - 1. Exponents are cut where base^e_k
    underflows by far.
    """
    if b < 2:
        raise ValueError(f"b is {b}; Lemma 5.3 is about batches of at least 2.")
    k = np.arange(m + 1)
    exponent = (b - 1) * np.exp(np.minimum(_log_binomial(k, b - 1), 100.0))
    log_terms = _log_binomial(m, k) - m * math.log(2) + exponent * math.log(base)
    return float(logsumexp(log_terms))


def _log_binomial(n: np.ndarray | int, k: np.ndarray | int) -> np.ndarray:
    """log C(n, k); minus infinity if k > n."""
    return np.asarray(gammaln(np.add(n, 1)) - gammaln(np.add(k, 1)) - gammaln(n - k + 1.0))
