"""Sameness of directions: one of each is kept, and signs do not count."""

import math

import pytest
import torch
from torch import Tensor

from spear.inversion.directions import distinct as sameness
from spear.inversion.directions.distinct import distinct, first_of_each, is_distinct


def at(*angles: float) -> Tensor:
    """Unit vectors of the plane at these angles (k x 2)."""
    return torch.tensor([[math.cos(a), math.sin(a)] for a in angles], dtype=torch.float64)


@pytest.mark.parametrize("angle", [1e-5, 1e-2])
def test_the_first_of_each_is_kept_whatever_the_sign(angle: float) -> None:
    directions = at(0.0, 0.5 * angle, 2.0 * angle)
    directions[1] *= -1
    for kept in (distinct(directions, angle), first_of_each(directions, angle, directions[:0])):
        assert torch.equal(kept, directions[[0, 2]])


def test_known_directions_are_left_out() -> None:
    directions = at(0.0, 0.5, 1.0)
    known = -at(0.5)
    assert is_distinct(directions, 1e-5, known).tolist() == [True, False, True]
    assert torch.equal(first_of_each(directions, 1e-5, known), directions[[0, 2]])


def test_each_direction_may_have_its_own_angle() -> None:
    angles = torch.tensor([[1e-5], [0.2], [0.05]], dtype=torch.float64)
    assert is_distinct(at(0.0, 0.1, 0.2), angles).tolist() == [True, False, True]


def test_only_the_first_of_each_keeps_what_resembles_a_dropped_one() -> None:
    chain = at(0.0, 0.08, 0.16)
    assert len(distinct(chain, 0.1)) == 1
    assert torch.equal(first_of_each(chain, 0.1, chain[:0]), chain[[0, 2]])


def test_nothing_in_nothing_out() -> None:
    nothing = torch.zeros(0, 3, dtype=torch.float64)
    assert distinct(nothing, 1e-5).shape == (0, 3)
    assert first_of_each(nothing, 1e-5, nothing).shape == (0, 3)


def test_the_less_exact_a_direction_the_wider_its_angle() -> None:
    assert sameness.SAME_EXACT < sameness.SAME_DESCENDED_INPUT < sameness.SAME_DESCENDED
    assert sameness.SAME_DESCENDED < sameness.SAME_SAMPLED
