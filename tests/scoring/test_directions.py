"""Directions: what counts as right."""

import dataclasses

import pytest
import torch
from support.scored import RGB, found, perfect, truth

from spear.scoring import PSNR_CAP, Scorer


def test_directions_that_noise_has_moved_are_near_but_not_right() -> None:
    true = truth(RGB, 3)
    gradients = true.activation_gradients
    turned = torch.tensor([0.0, 0.4, 1.0]) * gradients.roll(1, dims=1)
    score = Scorer(RGB)(found(true.inputs, gradients + turned), true)
    assert (score["directions_right"], score["directions_near"]) == (1, 2)


@pytest.mark.parametrize("factor", [-1.0, 5.0, 1e-30])
def test_a_direction_counts_up_to_sign_and_scale(factor: float) -> None:
    true = truth(RGB, 3)
    score = Scorer(RGB)(found(true.inputs, factor * true.activation_gradients), true)
    assert score["directions_right"] == 3
    assert score["exact"]


@pytest.mark.parametrize(("sine", "right"), [(1.3e-3, True), (1.5e-3, False)])
def test_a_direction_counts_within_the_tolerance(sine: float, right: bool) -> None:
    # 1 - cos = sine^2 / 2 is 1e-6 at a sine of 1.41e-3.
    gradients = torch.eye(30, 2, dtype=torch.float64)
    true = dataclasses.replace(truth(RGB, 2), activation_gradients=gradients, weight_update=None)
    turned = gradients.clone()
    turned[5, 0] = sine
    score = Scorer(RGB)(found(true.inputs, turned), true)
    assert score["directions_right"] == 1 + right
    assert score["exact"] is right


def test_a_direction_counts_only_with_its_own_input() -> None:
    true = truth(RGB, 2)
    score = Scorer(RGB)(found(true.inputs, true.activation_gradients.flip(1)), true)
    assert score["directions_right"] == 0


def test_a_zero_gradient_column_is_never_right() -> None:
    true = truth(RGB, 2)
    true.activation_gradients[:, 0] = 0.0
    assert Scorer(RGB)(perfect(true), true)["directions_right"] == 1


def test_a_picture_too_many_is_not_exact() -> None:
    true = truth(RGB, 3)
    more = truth(RGB, 1, seed=1)
    attack = found(
        torch.cat([more.inputs, true.inputs]),
        torch.cat([more.activation_gradients, true.activation_gradients], dim=1),
    )
    score = Scorer(RGB)(attack, true)
    assert score["psnr"] == PSNR_CAP
    assert score["directions_right"] == 3
    assert not score["exact"]


@pytest.mark.parametrize(("error", "right"), [(1.3e-3, True), (1.5e-3, False)])
def test_inputs_of_the_network_count_by_their_error(error: float, right: bool) -> None:
    true = truth(RGB, 2)
    bare = dataclasses.replace(
        true, activation_gradients=true.inputs.new_zeros(0, 2), weight_update=None
    )
    inputs = true.inputs * torch.tensor([[1.0], [1.0 + error]])
    score = Scorer(RGB)(found(inputs, inputs.new_zeros(0, 2)), bare)
    assert score["directions_right"] == 1 + right
    assert score["exact"] is right
    one = Scorer(RGB)(found(inputs[:1], inputs.new_zeros(0, 1)), bare)
    assert (one["directions_right"], one["exact"]) == (1, False)


@pytest.mark.parametrize(("cosine", "near"), [(0.85, 0), (0.899, 0), (0.901, 1)])
def test_near_is_a_cosine_of_at_least_nine_tenths(cosine: float, near: int) -> None:
    gradients = torch.eye(30, 2, dtype=torch.float64)
    true = dataclasses.replace(truth(RGB, 2), activation_gradients=gradients, weight_update=None)
    turned = gradients.clone()
    turned[0, 0], turned[5, 0] = -cosine, (1 - cosine**2) ** 0.5
    score = Scorer(RGB)(found(true.inputs, turned), true)
    assert (score["directions_right"], score["directions_near"]) == (1, 1 + near)
