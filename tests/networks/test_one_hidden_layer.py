"""The peeling paper's network: its initialisation, and gradients in float64."""

import pytest
import torch

from spear.client import Client
from spear.data import Batch
from spear.errors import ConfigError
from spear.layers import linear_layers
from spear.networks import one_hidden_layer


def test_the_initialisation_is_the_papers():
    network = one_hidden_layer((3, 16, 16), 10, seed=3)
    first, last = network[2], network[4]
    assert first.weight.shape == (1000, 768)
    assert first.weight.std().item() == pytest.approx(0.5, rel=0.01)
    assert first.weight.mean().abs().item() < 0.01
    assert not first.bias.any()
    assert not last.bias.any()
    limit = (6 / 1010) ** 0.5  # Glorot's uniform
    assert last.weight.abs().max().item() == pytest.approx(limit, rel=0.01)
    again = one_hidden_layer((3, 16, 16), 10, seed=3)
    assert torch.equal(again[2].weight, first.weight)


def test_clients_compute_in_its_precision_from_float32_inputs():
    inputs = torch.rand(3, 1, 4, 4)
    for dtype in ("float64", "float32"):
        network = one_hidden_layer((1, 4, 4), 5, width=20, dtype=dtype)
        update = Client(network).share(Batch(inputs, torch.tensor([0, 1, 2])))
        assert {each.dtype for each in update.gradients.values()} == {getattr(torch, dtype)}
        assert [each.index for each in linear_layers(network, (1, 4, 4))] == [1, 2]
        assert linear_layers(network, (1, 4, 4))[0].sparsity


def test_without_a_deviation_it_is_pytorchs():
    network = one_hidden_layer((100,), 5, width=20, deviation=None)
    assert network[2].weight.abs().max() <= 0.1
    assert network[2].bias.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, r"^width is 0; expected at least 1 neuron\.$"),
        ({"deviation": 0}, r"^deviation is 0; expected more than 0\.$"),
        ({"dtype": "half"}, r"^dtype is 'half'; expected one of float32, float64\.$"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        one_hidden_layer((4,), 2, **settings)
