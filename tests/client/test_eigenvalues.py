"""Both ends of a diagonal Hessian, and what they cost: products, restarts, entries formed."""

import math

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from spear.client.risk.eigenvalues import extremes
from spear.client.risk.lavp import Lavp


class Diagonal(LinearOperator):
    """A Hessian whose spectrum is given, and which counts how it is used."""

    def __init__(self, values: ArrayLike) -> None:
        self.values = np.asarray(values, dtype=float)
        super().__init__(np.dtype(float), (len(self.values),) * 2)
        self.gram, self.subtracted = self, 0.0
        self.formed, self.products = False, 0

    def _matvec(self, v):
        self.products += 1
        return self.values * v.ravel()

    def entries(self):
        self.formed = True
        return np.diag(self.values)


def apart(n: int, smallest: float, next_one: float) -> Diagonal:
    return Diagonal([smallest, *np.linspace(next_one, 100.0, n - 1)])


@pytest.mark.parametrize("n", [3, 60, 61, 300])
def test_both_ends_are_found_and_few_entries_are_decomposed_at_once(n):
    hessian = apart(n, 1.0, 50.0)
    found = extremes(hessian)
    assert found.largest.value == pytest.approx(100.0, rel=1e-6)
    assert found.smallest.value == pytest.approx(1.0, rel=1e-9)
    assert hessian.formed == (n <= 60)


def test_a_smallest_eigenvalue_may_take_one_restart():
    """Its neighbour is at 1 % of the spectrum, which 60 vectors do not separate to 1e-9."""
    hessian = apart(300, 1.0, 2.0)
    found = extremes(hessian)
    assert not hessian.formed
    assert found.smallest.value == pytest.approx(1.0, rel=1e-12)
    assert found.smallest.residual <= 1e-9


def crowded(n: int) -> Diagonal:
    """A largest eigenvalue that stands alone, and none that does at the other end."""
    return Diagonal([*np.geomspace(1.0, n, n - 1), 100.0 * n])


def test_without_a_gap_it_is_given_up_after_two_restarts():
    """60 vectors, up to 58 new ones in each of two restarts, and some 20 for the largest."""
    hessian = crowded(400)
    found = extremes(hessian, max_dense=399)
    assert not hessian.formed
    assert math.isnan(found.smallest.value)
    assert math.isnan(found.smallest.residual)
    assert found.largest.value == pytest.approx(40_000.0, rel=1e-9)
    assert 170 < hessian.products < 230


def test_entries_are_formed_up_to_the_limit():
    hessian = crowded(400)
    found = extremes(hessian, max_dense=400)
    assert hessian.formed
    assert found.smallest.value == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(("n", "formed"), [(4096, True), (4097, False)])
def test_unless_told_otherwise_a_hessian_may_take_128_mebibytes(n, formed, monkeypatch):
    assert 8 * Lavp().max_dense ** 2 == 2**27
    hessian = crowded(n)
    monkeypatch.setattr(hessian, "entries", lambda: (_ for _ in ()).throw(MemoryError))
    if formed:
        with pytest.raises(MemoryError):
            extremes(hessian)
    else:
        assert math.isnan(extremes(hessian).smallest.value)


def test_an_eigenvalue_within_rounding_of_the_largest_is_zero():
    """Below 4 n eps times the largest: 4 * 10 * 2.2e-16 * 100 is 8.9e-13."""
    for smallest, expected in ((8.8e-13, 0.0), (9.0e-13, 9.0e-13)):
        found = extremes(apart(10, smallest, 50.0)).smallest
        assert found.value == pytest.approx(expected, abs=1e-20)


def test_what_the_hessian_subtracts_has_its_rounding_too():
    hessian = apart(10, 9.0e-13, 50.0)
    hessian.subtracted = 10.0
    assert extremes(hessian).smallest.value == 0.0


def test_a_hessian_of_zeros_has_nothing_else():
    hessian = Diagonal(np.zeros(100))
    found = extremes(hessian)
    assert (found.largest.value, found.smallest.value) == (0.0, 0.0)
    assert (found.largest.residual, found.smallest.residual) == (0.0, 0.0)
    assert hessian.products == 1
