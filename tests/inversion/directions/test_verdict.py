"""The verdict of the ReLU pattern, from both sides of each of its limits."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from spear.inversion.directions.verdict import verdict
from spear.reconstruction import Status

M, B = 1000, 3
DIRECTIONS = torch.eye(B, dtype=torch.float64)


def problem(hidden: float = 0.0, *, white: bool = False, bias_fits: bool = True) -> object:
    """A factorisation of M neurons, of which noise hides a share of each sample's states."""
    noise = SimpleNamespace(
        white=white, hidden_states=lambda columns: columns.new_full((columns.shape[1],), hidden)
    )
    left = DIRECTIONS.repeat(M // B + 1, 1)[:M]  # zero rows of every kind
    active = torch.ones(M, dtype=torch.bool)
    return SimpleNamespace(m=M, noise=noise, bias_fits=bias_fits, left=left, active=active)


def judged(of: object, inactive: int, active: int, left_open: int = 0) -> Status:
    """Half of the neurons inactive, but for open ones; so many of the last sample disagree."""
    signs = torch.ones(M, B, dtype=torch.int8)
    signs[: M // 2] = -1
    matched = torch.ones(M, B, dtype=torch.bool)
    matched[:inactive, -1] = False
    matched[M - active :, -1] = False
    signs[M // 2 - left_open : M // 2, -1] = 0
    matched[M // 2 - left_open : M // 2, -1] = False
    return verdict(of, DIRECTIONS, signs, matched)  # type: ignore[arg-type]


def test_exact_takes_every_neuron_a_bias_that_fits_and_no_noise() -> None:
    assert judged(problem(), 0, 0) is Status.EXACT
    for one in ((1, 0), (0, 1), (0, 0, 1)):
        assert judged(problem(), *one) is Status.APPROXIMATE
    assert judged(problem(white=True), 0, 0) is Status.APPROXIMATE
    assert judged(problem(bias_fits=False), 0, 0) is Status.APPROXIMATE


@pytest.mark.parametrize(
    ("hidden", "inactive", "active"),
    [
        (0.0, 20, 150),  # 2 and 15 % of 1,000
        (0.1, 150, 280),  # and 10 % with three deviations, 3 %
    ],
)
def test_a_sample_may_disagree_as_far_as_noise_and_local_steps_go(
    hidden: float, inactive: int, active: int
) -> None:
    of = problem(hidden)
    assert judged(of, inactive, active) is Status.APPROXIMATE
    assert judged(of, inactive + 1, 0) is Status.PARTIAL
    assert judged(of, 0, active + 1) is Status.PARTIAL


def test_neurons_that_noise_leaves_open_count_for_neither_side() -> None:
    assert judged(problem(), 0, 0, left_open=400) is Status.APPROXIMATE


def test_one_sample_too_far_off_is_enough() -> None:
    """Two samples agree everywhere: their agreement does not make up for the third."""
    signs: Tensor = torch.ones(M, B, dtype=torch.int8)
    matched = torch.ones(M, B, dtype=torch.bool)
    matched[:151, 0] = False
    found = verdict(problem(), DIRECTIONS, signs, matched)  # type: ignore[arg-type]
    assert found is Status.PARTIAL
