"""Starts near inputs that are to be expected, and the attack that begins there."""

import pytest
import torch
from support.pairs import pair_case

from spear.errors import ConfigError
from spear.inversion import SpearPair, SpearPairExpecting
from spear.inversion.pair.peeling import Rest
from spear.inversion.pair.rows import RowSpace
from spear.inversion.pair.starts import EXPECTED, ExpectedStarts, random_starts
from spear.reconstruction import Status

COUNT = 16
CASE = pair_case("gelu", b=6)


def generator():
    return torch.Generator().manual_seed(0)


def nearest(rows, true):
    """The index of the true row nearest to each, and the distances relative to its length."""
    distances = torch.cdist(rows, true) / true.norm(dim=1)
    return distances.argmin(dim=1), distances.min(dim=1).values


def test_true_inputs_are_starts_at_their_own_rows():
    space = RowSpace.of(CASE.problem)
    starts = ExpectedStarts.of(CASE.problem, CASE.inputs)
    rows = space.rows(starts(CASE.problem, space, COUNT, generator()))
    found, errors = nearest(rows[:6], CASE.rows)
    assert sorted(found.tolist()) == list(range(6))
    assert errors.max() < 1e-8


def test_starts_follow_the_rest_and_avoid_what_is_found():
    """In the rest without samples 0 and 1 the rows of the others come first."""
    rest = Rest.whole(CASE.problem).without(CASE.samples[[0, 1]])
    space = RowSpace.of(rest.problem)
    starts = ExpectedStarts.of(CASE.problem, CASE.inputs)
    rows = space.rows(starts(rest.problem, space, COUNT, generator()))[:4] @ rest.row_map
    found, errors = nearest(rows, CASE.rows)
    assert sorted(found.tolist()) == [2, 3, 4, 5]
    assert errors.max() < 1e-8


def test_alike_inputs_are_one_start():
    space = RowSpace.of(CASE.problem)
    many = torch.cat([CASE.inputs, CASE.inputs + 1e-6, CASE.inputs - 1e-6])
    starts = ExpectedStarts.of(CASE.problem, many)
    rows = space.rows(starts(CASE.problem, space, COUNT, generator()))
    near = nearest(rows, CASE.rows)[1] < 1e-3
    assert int(near.sum()) == 6


def test_a_share_of_the_starts_is_random():
    space = RowSpace.of(CASE.problem)
    expected = torch.randn(500, CASE.inputs.shape[1], generator=generator())
    starts = ExpectedStarts.of(CASE.problem, expected)
    assert starts(CASE.problem, space, COUNT, generator()).shape == (COUNT, 5)
    few = round(EXPECTED * COUNT)
    none = ExpectedStarts.of(CASE.problem, expected[:0])
    assert few < COUNT
    assert torch.equal(
        none(CASE.problem, space, COUNT, generator()),
        random_starts(CASE.problem, space, COUNT, generator()),
    )


@pytest.mark.parametrize("right", [True, False])
def test_a_wrong_expectation_costs_starts_alone(right):
    near = CASE.inputs + 0.1 * torch.randn(CASE.inputs.shape, generator=generator())
    expected = near if right else 5 * torch.ones(20, CASE.inputs.shape[1])
    found = SpearPairExpecting(expected)(CASE.pair)
    assert found.status is Status.EXACT
    distances = torch.cdist(found.inputs.double(), CASE.inputs.double()).amin(dim=1)
    assert distances.max() < 1e-6


def test_near_expectations_need_fewer_starts_than_none():
    case = pair_case("gelu", b=24, m=120, seed=1)
    near = case.inputs + 0.2 * torch.randn(case.inputs.shape, generator=generator())
    informed, blind = SpearPairExpecting(near)(case.pair), SpearPair()(case.pair)
    assert informed.status is Status.EXACT
    assert informed.details["starts"] < blind.details["starts"]


def test_an_expectation_that_is_no_matrix_is_refused():
    with pytest.raises(ConfigError, match=r"expected has shape \(3,\)"):
        SpearPairExpecting(torch.zeros(3))


def test_settings_are_those_of_the_attack_it_is_like():
    attack = SpearPairExpecting.like(SpearPair(time_limit=3, max_starts=7), CASE.inputs)
    assert (attack.limits.time_limit, attack.limits.max_starts) == (3, 7)
    assert torch.equal(attack.expected, CASE.inputs)
