"""Largest and smallest eigenvalue of a matching Hessian, each with its residual."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import eye_array
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, aslinearoperator, eigsh

from spear.client.risk.hessian import Array, MatchingHessian

LIMITS = {"ncv": 60, "maxiter": 2}
"""Lanczos vectors kept, and restarts, on the way to the smallest eigenvalue: some 150 products."""


@dataclass(frozen=True)
class Eigenvalue:
    """An eigenvalue of a symmetric matrix H, as far as it is known.

    Attributes:
        value: of the eigenvalue; NaN if it was not found.
        residual: |H v - value v| for the unit vector v found with it; H has an eigenvalue within
            this distance.
    """

    value: float
    residual: float


NOT_FOUND = Eigenvalue(math.nan, math.nan)


@dataclass(frozen=True)
class Extremes:
    """Both ends of a spectrum."""

    largest: Eigenvalue
    smallest: Eigenvalue


def extremes(hessian: MatchingHessian, tolerance: float = 1e-6, max_dense: int = 4096) -> Extremes:
    """Return the largest and the smallest eigenvalue of a positive semidefinite Hessian.

    Lanczos' method (ARPACK) finds the largest eigenvalue with some 20 products with H. It finds the
    smallest, too, if H has few distinct eigenvalues, as for a fully connected network: its first
    layer sees an input through the active neurons alone, and on all other directions J^T J is
    |d|^2 times the identity, where d is the derivative of the loss by that layer's outputs. The
    eigenvalues of a convolutional network spread over many orders of magnitude. H is then formed,
    by n products, and Lanczos' method is applied to its inverse.

    Args:
        hessian: H, n x n.
        tolerance: largest residual of an eigenvalue, relative to it.
        max_dense: largest n at which H may be formed (8 n^2 bytes, and twice that to work with).

    Returns:
        Both ends. The smallest is 0 if rounding hides it, below some n eps times the largest. It is
        NaN if Lanczos' method does not end and n is above `max_dense`.
    """
    n = hessian.shape[0]
    if n <= LIMITS["ncv"]:
        return _decomposed(hessian)
    if not (hessian @ _start(n)).any():
        return Extremes(Eigenvalue(0.0, 0.0), Eigenvalue(0.0, 0.0))
    largest = _lanczos(hessian, hessian, which="LA", tol=tolerance)
    if not hessian.gram.formed:
        # ARPACK starts in the range of its operator, and would miss the null space of H itself.
        # Its tolerance is relative to this one's eigenvalues, which are larger than that of H.
        below = hessian - largest.value * aslinearoperator(eye_array(n))
        smallest = _lanczos(hessian, below, which="SA", tol=1e-3 * tolerance, **LIMITS)
        if smallest.residual <= tolerance * smallest.value:
            return Extremes(largest, smallest)
        if n > max_dense:
            return Extremes(largest, NOT_FOUND)
    entries = hessian.entries()
    # Shifted by what is no change to H, which may be singular.
    rounding = _rounding(hessian, largest)
    smallest = _lanczos(entries, entries, which="LM", tol=tolerance, sigma=-rounding)
    return Extremes(largest, _or_zero(smallest, rounding))


def _decomposed(hessian: MatchingHessian) -> Extremes:
    entries = hessian.entries()
    vectors = eigh(entries)[1]
    largest, smallest = (_with_vector(entries, vectors[:, end]) for end in (-1, 0))
    return Extremes(largest, _or_zero(smallest, _rounding(hessian, largest)))


def _lanczos(
    hessian: LinearOperator | Array, operator: LinearOperator | Array, **settings: Any
) -> Eigenvalue:
    """The eigenvalue of `hessian` that belongs to the eigenvector found of `operator`."""
    try:
        vectors = eigsh(operator, 1, v0=_start(hessian.shape[0]), **settings)[1]
    except ArpackNoConvergence:
        return NOT_FOUND
    return _with_vector(hessian, vectors[:, 0])


def _with_vector(hessian: LinearOperator | Array, vector: Array) -> Eigenvalue:
    image = hessian @ vector
    value = float(vector @ image)
    return Eigenvalue(value, float(np.linalg.norm(image - value * vector)))


def _start(n: int) -> Array:
    return np.random.default_rng(0).standard_normal(n)


def _rounding(hessian: MatchingHessian, largest: Eigenvalue) -> float:
    """Of the entries, times n: a bound on what it moves an eigenvalue."""
    eps = float(np.finfo(float).eps)
    return 4.0 * hessian.shape[0] * eps * (largest.value + hessian.subtracted)


def _or_zero(found: Eigenvalue, rounding: float) -> Eigenvalue:
    return found if found.value > rounding else Eigenvalue(0.0, found.residual)
