"""Directions are collected, and with all of them their rows are exact."""

import pytest
import torch
from support.pairs import pair_case, relative

from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.regression_solver import RegressionSearch, _last_row, _rows

CASE = pair_case("leaky_relu", b=6, classes=4, depth=2)
LENGTHS = torch.tensor([1.0, -0.5, 3.0, 1e-3, -20.0, 1.0], dtype=torch.float64)[:, None]
"""Directions have an unknown length and sign."""


def test_with_all_directions_the_rows_are_exact():
    rows = _rows(CASE.problem, CASE.disaggregation.T * LENGTHS)
    assert relative(rows, CASE.rows) < 1e-9


@pytest.mark.parametrize("missing", range(6))
def test_with_all_but_one_the_shortest_row_is_the_last_ones(missing):
    others = [i for i in range(6) if i != missing]
    shortest = _last_row(CASE.problem, (CASE.disaggregation.T * LENGTHS)[others])
    assert relative(shortest, CASE.rows[missing]) < 1e-9


@pytest.mark.parametrize("count", [1, 3, 5])
def test_with_fewer_each_row_fits_the_other_directions(count):
    directions = CASE.disaggregation.T[:count] * LENGTHS[:count]
    rows, shortest = _rows(CASE.problem, directions), _last_row(CASE.problem, directions)
    sums = CASE.problem.first.bias_coordinates
    torch.testing.assert_close(rows @ sums, torch.ones(count).double())
    torch.testing.assert_close(shortest @ sums, torch.ones(()).double())
    products = rows @ (directions / directions.norm(dim=1, keepdim=True)).T
    off = products - torch.diag(products.diagonal())
    assert off.abs().max() < 1e-9 * rows.norm(dim=1).max()


def test_without_directions_the_shortest_row_is_that_of_the_plane():
    sums = CASE.problem.first.bias_coordinates
    none = CASE.disaggregation.T[:0]
    rows, shortest = _rows(CASE.problem, none), _last_row(CASE.problem, none)
    assert len(rows) == 0
    torch.testing.assert_close(shortest, sums / sums.square().sum())


@pytest.mark.parametrize("name", ["leaky_relu", "prelu", "relu", "relu6", "hardtanh"])
def test_rounds_find_every_sample(name):
    case = pair_case(name, b=6, classes=4, depth=2, dtype=torch.float32)
    search = RegressionSearch(case.problem, seed=0)
    assert (search.missing, search.solved) == (6, False)
    known = 0
    for _ in range(20):
        search.round()
        assert known <= len(search.known) <= 6
        known = len(search.known)
        if search.solved:
            break
    assert search.solved
    assert search.starts >= 24
    distances = torch.cdist(case.rows, search.known.rows)
    assert sorted(distances.argmin(dim=1).tolist()) == list(range(6))
    assert (distances.amin(dim=1) < 1e-4 * case.rows.norm(dim=1)).all()
    assert isinstance(search.problem, PairProblem)
