"""From one layer's exact inputs to the others': closed forms, and counts of equations."""

import pytest
import torch
from support.pairs import ALL, pair_case, worst_psnr

from spear.inversion.network.propagation import (
    gradients_given_inputs,
    passed_on,
    samples_given_activations,
)
from spear.inversion.pair.reconstruct import reconstruction_of
from spear.observation import Link
from spear.reconstruction import Status


def link(case) -> Link:
    first = case.pair.first
    return Link(first.weight, first.bias, first.weight_gradient, first.bias_gradient)


@pytest.mark.parametrize("name", ALL)
def test_inputs_are_passed_on(name: str) -> None:
    case = pair_case(name)
    expected = case.pair.activation.value(case.z)
    torch.testing.assert_close(passed_on(link(case), case.pair.activation, case.inputs), expected)


def test_gradients_follow_from_inputs() -> None:
    case = pair_case("gelu")
    found, rest = gradients_given_inputs(link(case), case.inputs)
    torch.testing.assert_close(found, case.gradients)
    assert rest < 1e-12


def test_a_missing_input_leaves_a_rest() -> None:
    case = pair_case("gelu")
    _, rest = gradients_given_inputs(link(case), case.inputs[1:])
    assert rest > 0.1


@pytest.mark.parametrize("name", ALL)
def test_samples_follow_from_activations(name: str) -> None:
    case = pair_case(name)
    found = samples_given_activations(case.problem, case.pair.activation.value(case.z))
    assert found is not None
    torch.testing.assert_close(found.rows, case.rows, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(found.directions, case.disaggregation.T, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "sigmoid"])
def test_they_prove_themselves_in_float32(name: str) -> None:
    case = pair_case(name, dtype=torch.float32)
    activations = case.pair.activation.value(case.z)
    samples = samples_given_activations(case.problem, activations)
    assert samples is not None
    found = reconstruction_of(case.problem, samples, Status.PARTIAL, {})
    assert found.status == Status.EXACT
    assert worst_psnr(found.inputs, case.inputs) > 60
    # In the order in which the activations are given.
    assert (found.inputs - case.inputs).abs().max() < 1e-2


def test_fewer_known_neurons_than_inputs_do_not_suffice() -> None:
    case = pair_case("relu", b=4)
    activations = case.pair.activation.value(case.z)
    active = activations > 0
    fewest = int(active.sum(dim=1).min())
    assert fewest >= 4
    kept = active & (active.cumsum(dim=1) <= 4)
    assert samples_given_activations(case.problem, activations * kept) is not None
    kept = active & (active.cumsum(dim=1) <= 3)
    assert samples_given_activations(case.problem, activations * kept) is None
