"""Chains without biases: one pair solved solves all, and altered updates are not exact."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import spear
from spear.budget import Budget
from spear.client.client import Client
from spear.data import Batch
from spear.domain import Domain
from spear.errors import InvalidObservation, LayerError
from spear.inversion import SpearNetwork
from spear.inversion.network.by_loss import solved_by_loss
from spear.inversion.network.signs import signs_by_loss
from spear.inversion.network.through_a_pair import in_front
from spear.inversion.network.unbiased import _backward, _problems, solved_without_biases
from spear.inversion.pair.limits import Limits
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.unbiased import solved_by_activation
from spear.networks import fcnn
from spear.observation import LayerChain
from spear.reconstruction import (
    RESTS_ON_ACTIVATION,
    RESTS_ON_LOSS,
    SIGNS_BY_LOSS,
    SIGNS_OPEN,
    Status,
)
from spear.update import Update

B, N, M, DEPTH = 5, 60, 80, 4


def network(activation: str, depth: int = DEPTH) -> nn.Sequential:
    return fcnn((N,), 10, M, depth, activation=activation, bias=False)


def batch(seed: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(torch.randn(B, N, generator=generator), torch.arange(B) % 3)


def inputs_of_layers(model: nn.Sequential, data: Batch) -> list[Tensor]:
    found, h = [], data.inputs
    with torch.no_grad():
        for module in model:
            if isinstance(module, nn.Linear):
                found.append(h)
            h = module(h)
    return found


def error(found: Tensor, true: Tensor) -> float:
    distances = torch.cdist(found, true.double()) / true.double().norm(dim=1)
    return float(distances.amin(dim=0).max())


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu", "tanh"])
@pytest.mark.parametrize("layer", [1, 2, -1])
def test_every_layer_is_solved_through_one_pair(activation, layer):
    model, data = network(activation), batch()
    attack = SpearNetwork(layer, time_limit=20.0)
    attack.check(model, Domain.unbounded((N,)))
    found = attack(attack.observe(Client(model).share(data)))
    assert found.status is Status.EXACT
    true = inputs_of_layers(model, data)[layer - 1 if layer > 0 else layer]
    assert error(found.inputs, true) < 1e-5
    name = RESTS_ON_LOSS if "relu" in activation else RESTS_ON_ACTIVATION
    assert found.details[name] == 1
    assert (SIGNS_BY_LOSS in found.details) == (activation == "tanh")


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu"])
def test_a_layer_in_front_of_a_solved_pair_follows(activation):
    model, data = network(activation), batch()
    chain = SpearNetwork().observe(Client(model).share(data))
    problems = _problems(chain, None)
    assert isinstance(problems[1], PairProblem)
    if activation == "gelu":
        there = solved_by_activation(problems[1], 0, Budget(20.0), 1e4)
    else:
        there = solved_by_loss(chain, 1, problems[1], 0, Budget(20.0), 1e4)
    assert there.status is Status.EXACT
    found = in_front(problems[0], there, _backward)
    assert found.status is Status.EXACT
    assert error(found.inputs, data.inputs) < 1e-4
    wrong = replace(there, inputs=there.inputs * (1 + 0.1 * torch.arange(B).double())[:, None])
    turned = in_front(problems[0], wrong, _backward)
    assert turned.status is not Status.EXACT or "relu" in activation


def test_signs_follow_from_the_loss_and_only_with_the_right_gradients():
    model, data = network("tanh").double(), batch()
    data = Batch(data.inputs.double(), data.labels)
    chain = SpearNetwork().observe(Client(model).share(data))
    turned = torch.tensor([1.0, -1.0, -1.0, 1.0, -1.0]).double()
    signs = signs_by_loss(chain, 0, turned[:, None] * data.inputs)
    assert signs is not None
    assert torch.equal(signs, turned)
    assert signs_by_loss(chain, 0, 1.01 * data.inputs) is None


def test_without_the_loss_signs_and_lengths_are_open():
    chain = SpearNetwork().observe(Client(network("tanh")).share(batch()))
    found = solved_without_biases(replace(chain, to_loss=False), Limits(), 0, Budget(20.0))
    assert found.status is Status.APPROXIMATE
    assert found.details[SIGNS_OPEN] == 1
    chain = SpearNetwork().observe(Client(network("relu")).share(batch()))
    with pytest.raises(InvalidObservation, match="no bias gradient or loss tells the lengths"):
        solved_without_biases(replace(chain, to_loss=False), Limits(), 0, Budget(20.0))


def changed(update: Update, layer: int, change) -> Update:
    name = list(update.gradients)[layer]
    own = {**update.gradients, name: change(update.gradients[name])}
    return Update(update.network, own, update.loss, update.domain)


CHANGES = {
    "scaled": lambda each: 1.01 * each,
    "turned": lambda each: -each,
    "permuted": lambda each: each[torch.arange(len(each)).roll(1)],
    "coarse": lambda each: (each / each.abs().max() * 127).round() * each.abs().max() / 127,
    "half": lambda each: each.half().float(),
    "zero": torch.zeros_like,
}


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
@pytest.mark.parametrize("layer", range(DEPTH))
@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.few(24)
def test_one_altered_gradient_is_never_exact(activation, layer, kind):
    update = changed(Client(network(activation)).share(batch()), layer, CHANGES[kind])
    assert end(update) is not Status.EXACT


def end(update: Update, layer: int = 1) -> Status:
    """The status; that of full rank if the gradients have none in common."""
    attack = SpearNetwork(layer, time_limit=1.0, max_starts=100)
    try:
        return attack(attack.observe(update)).status
    except InvalidObservation:
        return Status.FULL_RANK


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
def test_halves_of_two_batches_are_never_exact(activation):
    client = Client(network(activation))
    first, second = client.share(batch()), client.share(batch(seed=2))
    for layers in ([0, 1], [1, 2], [2, 3], [3]):
        update = first
        for layer in layers:
            other = list(second.gradients.values())[layer]
            update = changed(update, layer, lambda _, other=other: other)
        assert end(update) is not Status.EXACT
        assert end(update, layer=3) is not Status.EXACT


def test_the_call_for_a_network_without_biases_needs_no_attack():
    model, data = network("relu"), batch()
    found = spear.invert_network(model, Client(model).share(data).gradients, (N,))
    assert found.status is Status.EXACT
    assert error(found.inputs, data.inputs) < 1e-5


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidObservation, match=r"chain is hardtanh.*expected a smooth one"):
        spear.invert_network(
            (model := network("hardtanh")), Client(model).share(batch()).gradients, (N,)
        )
    with pytest.raises(LayerError, match="belongs to no layer pair"):
        SpearNetwork().check(nn.Sequential(nn.Linear(N, 4, bias=False)), Domain.unbounded((N,)))
    chain = SpearNetwork().observe(Client(network("relu")).share(batch()))
    assert isinstance(chain, LayerChain)
    assert chain.to_loss
    update = Client(network("relu"), loss=nn.CrossEntropyLoss(reduction="sum")).share(batch())
    assert not SpearNetwork().observe(update).to_loss


def test_a_gradient_of_zeros_gives_nothing():
    update = Client(network("relu")).share(batch())
    zeros = {name: torch.zeros_like(each) for name, each in update.gradients.items()}
    attack = SpearNetwork()
    found = attack(attack.observe(Update(update.network, zeros, update.loss, update.domain)))
    assert found.status is Status.ZERO_GRADIENT
