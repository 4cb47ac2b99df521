"""Rows of Q^-1: their plane, and which of them are different and fit together."""

import pytest
import torch
from support.pairs import pair_case

from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.rows import (
    BIORTHOGONAL,
    NEAREST,
    RADIUS,
    SAME,
    RowSpace,
    distinct_rows,
    mutually_consistent,
)


def test_the_plane_holds_the_true_rows_and_all_that_it_draws():
    case = pair_case("gelu", b=5)
    sums, space = case.problem.first.bias_coordinates, RowSpace.of(case.problem)
    assert space.dimension == 4
    torch.testing.assert_close(space.rows(space.coordinates(case.rows)), case.rows)
    drawn = space.random(50, torch.Generator().manual_seed(0))
    torch.testing.assert_close(space.rows(drawn) @ sums, torch.ones(50).double())
    torch.testing.assert_close(space.coordinates(space.rows(drawn)), drawn)
    # The nearest point of the plane to 0 is orthogonal to it.
    assert (space.basis.T @ space.point).norm() < 1e-12 * space.point.norm()
    torch.testing.assert_close(space.basis.T @ space.basis, torch.eye(4).double())


def test_starts_have_the_lengths_that_rows_have():
    case = pair_case("gelu", b=5)
    space = RowSpace.of(case.problem)
    length = float(case.problem.first.bias_coordinates.norm())
    assert space.typical == pytest.approx(5**0.5 / length)
    lengths = space.random(500, torch.Generator().manual_seed(0)).norm(dim=1) / space.typical
    assert lengths.min() * (1 + 1e-9) >= NEAREST * RADIUS
    assert RADIUS * 0.9 < lengths.max() <= RADIUS * (1 + 1e-9)
    true = space.coordinates(case.rows).norm(dim=1) / space.typical
    assert (true < RADIUS).all()


def test_the_plane_of_one_sample_is_its_row():
    case = pair_case("gelu", b=1)
    space = RowSpace.of(case.problem)
    assert space.dimension == 0
    torch.testing.assert_close(space.point[None], case.rows)


def test_equal_rows_are_returned_once_and_the_first_of_them():
    rows = torch.eye(3).double()
    near = rows + 0.1 * SAME
    apart = rows + torch.tensor([[0.0, 3.0 * SAME, 0.0]] * 3)
    found = distinct_rows(torch.cat([rows, near, apart]))
    assert torch.equal(found, torch.cat([rows, apart]))
    assert len(distinct_rows(rows[:0])) == 0


def test_true_samples_fit_together_and_mixtures_do_not_fit_them():
    case = pair_case("gelu", b=5)
    true = case.samples
    assert mutually_consistent(case.problem, true) == [0, 1, 2, 3, 4]
    row = (true.rows[:1] + true.rows[1:2]) / 2
    direction = true.directions[:1] + true.directions[1:2]
    mixture = Samples(row, direction, true.next_coordinates[:1])
    assert mutually_consistent(case.problem, true.and_others(mixture)) == [0, 1, 2, 3, 4]
    # The first is preferred.
    assert mutually_consistent(case.problem, mixture.and_others(true)) == [0, 3, 4, 5]
    slightly = Samples(
        true.rows, true.directions + 0.1 * BIORTHOGONAL * case.rows, true.next_coordinates
    )
    limit = (slightly.rows @ slightly.directions.T - torch.eye(5)).abs().max()
    fit = mutually_consistent(case.problem, slightly) == [0, 1, 2, 3, 4]
    assert (limit < BIORTHOGONAL) == fit
