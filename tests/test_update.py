"""An update of a whole network: what it refuses when it is made, and what it leaves to attacks."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from spear.client.client import Client
from spear.data import Batch
from spear.domain import Domain
from spear.errors import InvalidObservation
from spear.networks import fcnn
from spear.update import Update

SHAPE = (1, 2, 4)


def gradients() -> dict[str, Any]:
    network = fcnn(SHAPE, 3, width=10, depth=3)
    return Client(network).share(Batch(torch.rand(2, *SHAPE), torch.tensor([0, 1]))).gradients


def made(gradients: dict[str, Any]) -> Update:
    network = fcnn(SHAPE, 3, width=10, depth=3)
    return Update(network, gradients, nn.CrossEntropyLoss(), Domain.unbounded(SHAPE))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("7.weight", torch.ones(1), r"'7.weight', which is no parameter .* one of 1.weight, 1.b"),
        ("1.weight", torch.ones(8, 10), r"of '1.weight' has shape \(8, 10\); expected \(10, 8\)"),
        ("1.bias", [0.0] * 10, r"of '1.bias' is a list; expected a tensor of shape \(10,\)"),
        ("1.bias", None, r"of '1.bias' is a NoneType; expected a tensor of shape \(10,\)"),
    ],
)
def test_what_cannot_be_the_networks_gradient_is_refused(name, value, words):
    with pytest.raises(InvalidObservation, match=words):
        made({**gradients(), name: value})


def test_another_layers_overflow_is_no_obstacle():
    bad = gradients()
    bad["3.weight"] = bad["3.weight"].fill_(math.nan)
    update = made(bad)
    assert torch.equal(update.observe(1).weight_gradient, bad["1.weight"])
    with pytest.raises(InvalidObservation, match="weight_gradient has 100 entries, of which 100"):
        update.observe(2)


def test_frozen_parameters_need_no_gradient():
    assert not made({}).gradients


def test_layers_are_those_of_its_own_network():
    update = made(gradients())
    copied = update.copied("cpu", torch.float64)
    for each in (update, copied):
        modules = [layer.module for layer in each.layers]
        assert modules == [m for m in each.network if isinstance(m, nn.Linear)]
    assert copied.layer(-1).module.weight.dtype is torch.float64
