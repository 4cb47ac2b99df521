"""Bias gradients in front of a layer agree with its inputs, or contradict them."""

from dataclasses import replace

import pytest
import torch

from spear.client.client import Client
from spear.data import Batch
from spear.inversion import SpearNetwork
from spear.inversion.network.consistency import VISIBLE, agrees_in_front
from spear.networks import fcnn

B, N = 4, 50


def case(activation="softplus"):
    """A chain in float64, and the inputs of its second layer."""
    generator = torch.Generator().manual_seed(2)
    network = fcnn((N,), 10, 60, 4, activation=activation).double()
    inputs = torch.randn(B, N, generator=generator, dtype=torch.float64)
    attack = SpearNetwork()
    chain = attack.observe(Client(network).share(Batch(inputs, torch.arange(B))))
    with torch.no_grad():
        return chain, network[:3](inputs)  # flattened, the first layer, its activation


def with_bias_gradient(chain, change):
    first = chain.layers[0]
    layers = (replace(first, bias_gradient=change(first.bias_gradient)), *chain.layers[1:])
    return replace(chain, layers=type(chain.layers)(layers))


def test_true_inputs_agree_with_the_bias_gradient_in_front():
    chain, inputs = case()
    assert agrees_in_front(chain, 1, inputs)


def test_the_first_layer_has_nothing_in_front():
    chain, inputs = case()
    assert agrees_in_front(with_bias_gradient(chain, torch.zeros_like), 0, inputs)


@pytest.mark.parametrize("factor", [1 + 3 * VISIBLE, 2.0, -1.0])
def test_a_bias_gradient_of_other_inputs_contradicts(factor):
    chain, inputs = case()
    assert not agrees_in_front(
        with_bias_gradient(chain, lambda each: factor * each + 1.0), 1, inputs
    )


def test_a_difference_below_what_is_visible_does_not_contradict():
    chain, inputs = case()
    changed = with_bias_gradient(chain, lambda each: (1 + 0.1 * VISIBLE) * each)
    assert agrees_in_front(changed, 1, inputs)


def test_few_neurons_may_contradict():
    def of_the_first(count):
        def change(each):
            found = each.clone()
            found[:count] += 1.0
            return found

        return change

    chain, inputs = case()
    assert agrees_in_front(with_bias_gradient(chain, of_the_first(30)), 1, inputs)
    assert not agrees_in_front(with_bias_gradient(chain, of_the_first(31)), 1, inputs)
