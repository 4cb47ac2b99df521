"""Samples behind a SELU by the neurons on its linear side."""

import pytest
import torch
from support.pairs import pair_case, relative

from spear.activations import CELU, ELU, GELU, SELU, ReLU
from spear.inversion.pair.backward_search import backward_round
from spear.inversion.pair.half_linear import LinearSide, _rows, half_linear_round, suits

CASE = pair_case("selu", b=12, m=120, n=60, classes=4, depth=2)


def test_it_suits_activations_that_are_a_line_above_a_corner():
    assert [suits(each) for each in (SELU(), ELU(0.5), ELU(), CELU(2.0), GELU(), ReLU())] == [
        *(True, True, False, False, False, False)
    ]


def test_r_of_a_true_sample_vanishes_above_the_corner_alone():
    side = LinearSide.of(CASE.problem)
    true = torch.cat([CASE.disaggregation.T, CASE.next_coordinates], dim=1)
    points = torch.linalg.solve(side.turn, true.T).T
    points = points / points.norm(dim=1, keepdim=True)
    r = points @ side.system.T
    torch.testing.assert_close(r.square().mean(dim=1), torch.ones(12).double())
    above = CASE.z > 0
    assert r[above].abs().max() < 1e-6
    assert (r[~above].abs() > 1e-4).double().mean() > 0.99


def test_rows_follow_from_the_bent_side():
    directions, nexts = -2 * CASE.disaggregation.T, -2 * CASE.next_coordinates
    rows = _rows(CASE.problem, directions, nexts, CASE.z < 0)
    assert relative(rows, CASE.rows) < 1e-6


@pytest.mark.parametrize("seed", [0, 1])
def test_a_round_finds_samples_where_a_descent_finds_none(seed):
    generator = torch.Generator().manual_seed(seed)
    found, starts = half_linear_round(CASE.problem, generator)
    assert starts > 0
    assert len(found) >= 2
    distances = torch.cdist(found.rows, CASE.rows).amin(dim=1) / found.rows.norm(dim=1)
    assert distances.max() < 1e-5
    others, _ = backward_round(CASE.problem, generator)
    assert len(others) < len(found)


def test_too_few_neurons_give_nothing():
    case = pair_case("selu", b=12, m=24, n=60, classes=4, depth=2)
    found, _ = half_linear_round(case.problem, torch.Generator().manual_seed(0))
    assert len(found) == 0
