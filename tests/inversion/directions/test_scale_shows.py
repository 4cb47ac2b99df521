"""Lengths that rest on the bias gradient alone are said to: layers whose biases are zero."""

import pytest
import torch
from torch import nn

import spear
from spear.client.client import Client
from spear.data.base import Batch
from spear.inversion import SpearIrls
from spear.observation import Observation
from spear.reconstruction import RESTS_ON_BIASES, Status

B, N, M = 3, 40, 60


def network(bias: float) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(N, M), nn.ReLU(), nn.Linear(M, 5))
    with torch.no_grad():
        model[0].bias *= bias
    return model


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(torch.randn(B, N, generator=generator), torch.arange(B))


@pytest.mark.parametrize("factor", [1.0, 0.5, 1.01])
def test_zero_biases_leave_the_scale_to_the_bias_gradient(factor):
    """An update with another scale of it is that of inputs of other lengths."""
    attack = SpearIrls(time_limit=10.0)
    seen = attack.observe(Client(network(0.0)).share(batch()))
    found = attack(
        Observation(seen.weight, seen.bias, seen.weight_gradient, factor * seen.bias_gradient)
    )
    assert found.status is Status.EXACT
    assert found.details[RESTS_ON_BIASES] == 1
    assert "their lengths rest on the bias gradients alone" in found.message
    distances = torch.cdist(factor * found.inputs, batch().inputs.double()).amin(dim=0)
    assert float(distances.max()) < 1e-4


def test_biases_fix_the_scale():
    attack = SpearIrls(time_limit=10.0)
    found = attack(attack.observe(Client(network(1.0)).share(batch())))
    assert found.status is Status.EXACT
    assert RESTS_ON_BIASES not in found.details


def test_the_call_for_users_says_so_too():
    model = network(0.0)
    gradients = Client(model).share(batch()).gradients
    first, bias = gradients["0.weight"], gradients["0.bias"]
    found = spear.invert(model[0].weight, model[0].bias, first, bias)
    assert found.status is Status.EXACT
    assert "rest on the bias gradients alone" in found.message
