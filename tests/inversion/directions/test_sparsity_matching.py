"""Definition 4.1 entry by entry: which signs agree, and what rounding and noise leave open."""

from types import SimpleNamespace

import pytest
import torch

from spear.inversion.directions.sparsity_matching import (
    activity,
    agreement,
    matches,
    pre_activations,
    sparsity_matching,
    uncertainty,
)


@pytest.mark.parametrize(
    ("z", "sign", "agrees"),
    [
        (1.0, 1, True), (1.0, 0, True), (1.0, -1, False),
        (-1.0, -1, True), (-1.0, 0, True), (-1.0, 1, False),
        (0.0, -1, True), (0.0, 0, True), (0.0, 1, False),
    ],
)  # fmt: skip
def test_positive_goes_with_a_gradient_and_the_rest_with_none(z: float, sign: int, agrees: bool):
    one = torch.tensor([[z]], dtype=torch.float64)
    signs = torch.tensor([[sign]], dtype=torch.int8)
    assert bool(matches(one, torch.full_like(one, -1.0), signs)) is agrees  # nothing is open
    assert bool(matches(one, one.abs(), signs))  # as large as its own uncertainty
    assert bool(matches(one, 0.99 * one.abs() - 1e-9, signs)) is agrees


def stub(right: float = 0.0) -> SimpleNamespace:
    """Five neurons, of which the fourth is dead, and a batch of two."""
    return SimpleNamespace(
        m=5,
        projected_weight=torch.tensor([[2.0, 0], [0, 3], [1, 1], [5, 5], [-1, 2]]).double(),
        bias=torch.tensor([0.5, 0.0, -1.0, 0.0, 0.0]).double(),
        weight_norms=torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]).double(),
        left=torch.tensor([[1.0, 0], [0, 2], [1e-9, 1], [1, -1]]).double(),
        active=torch.tensor([True, True, True, False, True]),
        noise=SimpleNamespace(
            right=right,
            zero=1e-8,
            not_zero=1.5,
            deviation=lambda columns: 1.0 + torch.zeros(1, columns.shape[1]).double(),
        ),
    )


def test_pre_activations_are_w_x_plus_bias() -> None:
    rows = torch.tensor([[1.0, 2.0], [0.0, 1.0]]).double()
    expected = [[2.5, 0.5], [6.0, 3.0], [2.0, 0.0], [15.0, 5.0], [3.0, 2.0]]
    assert pre_activations(stub(), rows).tolist() == expected  # type: ignore[arg-type]


def test_open_is_what_rounding_or_three_deviations_of_noise_explain() -> None:
    z = torch.tensor([[3.0, 0.0], [4.0, 0.0], [0.0, 2.0], [0, 0], [0, 0]]).double()
    lengths = torch.tensor([1.0, 2.0]).double()
    size = [(25 / 5) ** 0.5, (4 / 5) ** 0.5]
    quiet = uncertainty(stub(), z, lengths)  # type: ignore[arg-type]
    assert quiet.expand(5, 2)[0].tolist() == pytest.approx([1e-5 * each for each in size])
    noisy = uncertainty(stub(0.1), z, lengths)  # type: ignore[arg-type]
    assert noisy[2].tolist() == pytest.approx([1e-5 * size[0] + 0.9, 1e-5 * size[1] + 1.8])


def test_the_gradient_s_states_are_on_off_or_open_and_dead_neurons_are_off() -> None:
    states = activity(stub(), torch.eye(2).double())  # type: ignore[arg-type]
    # |L q| = (1, 0), (0, 2), (1e-9, 1), dead, (1, 1): zero to 1e-8, not zero above 1.5
    assert states.tolist() == [[0, -1], [-1, 1], [-1, 0], [-1, -1], [0, 0]]


def test_lambda_is_the_share_of_entries_that_agree() -> None:
    problem = stub()
    rows = torch.eye(2).double()
    agreeing = agreement(problem, rows, activity(problem, rows))  # type: ignore[arg-type]
    # Z = (2.5, .5), (0, 3), (0, 0), (5, 5), (-1, 2): the dead neuron's 5, 5 and the first row's .5
    assert (~agreeing).nonzero().tolist() == [[0, 1], [3, 0], [3, 1]]
    assert sparsity_matching(problem, rows) == pytest.approx(0.7)  # type: ignore[arg-type]
    # Directions have no scale of their own, their inverse has.
    assert sparsity_matching(problem, 4 * rows) < 1.0  # type: ignore[arg-type]
