"""LeNet: DLG's sizes and initialisation, drawn from the seed alone."""

import pytest
import torch
from torch import nn

from spear.errors import ConfigError
from spear.layers import Sparsity, linear_layers
from spear.networks import lenet


@pytest.mark.parametrize(
    ("shape", "features"), [((3, 32, 32), 768), ((3, 64, 64), 3072), ((1, 25, 25), 588)]
)
def test_sizes(shape, features):
    network = lenet(shape, 7)
    (last,) = linear_layers(network, shape)
    assert last.module.in_features == features
    assert network(torch.zeros(2, *shape)).shape == (2, 7)
    assert sum(isinstance(module, nn.Sigmoid) for module in network) == 3


def test_parameters_are_uniform_in_half_a_unit_or_pytorchs():
    weight = torch.cat([each.flatten() for each in lenet((3, 32, 32), 10).parameters()]).detach()
    assert weight.abs().max() <= 0.5
    assert float(weight.std()) == pytest.approx(1 / 12**0.5, rel=0.02)
    first = lenet((3, 32, 32), 10, half_width=None)[0].weight
    assert first.abs().max() <= 1 / 75**0.5  # 1 / sqrt(fan-in)


def test_activations_and_bias_are_choices():
    network = lenet((1, 8, 8), 10, activation="relu", bias=False)
    assert sum(isinstance(module, nn.ReLU) for module in network) == 3
    (last,) = linear_layers(network, (1, 8, 8))
    assert last.module.bias is None
    assert last.sparsity == {Sparsity.INPUT}


def test_the_seed_alone_decides():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (lenet((1, 8, 8), 10, seed=seed)[0].weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input_shape": (784,)}, r"images of C x H x W, but inputs have shape \(784,\)"),
        ({"activation": "cubic"}, "activation is 'cubic'; expected one of relu, .*, or a module"),
        ({"half_width": 0.0}, "half_width is 0.0"),
    ],
)
def test_what_cannot_work_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        lenet(**{"input_shape": (1, 8, 8), "n_classes": 10, **settings})
