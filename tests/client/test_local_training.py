"""Local training: the update against loops written out by hand."""

import math
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from spear.client.client import Client
from spear.client.defenses import DPSGD, Defense, NoDefense
from spear.client.local_training import FedAvg
from spear.data import Batch
from spear.errors import ConfigError
from spear.networks import fcnn

LOSS = nn.CrossEntropyLoss()
ETA = 0.05


def problem(dtype: torch.dtype = torch.float32) -> tuple[nn.Module, Batch]:
    inputs = torch.randn(6, 12, generator=torch.Generator().manual_seed(0))
    return fcnn((12,), 3, width=30, depth=3).to(dtype), Batch(inputs.to(dtype), torch.arange(6) % 3)


def shared(
    fedavg: FedAvg,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    defense: Defense | None = None,
) -> dict[str, Tensor]:
    network, batch = problem(dtype)
    client = Client(network, fedavg, defense)
    return client.share(batch, torch.Generator().manual_seed(seed)).gradients


def by_hand(*steps: list[int]) -> dict[str, Tensor]:
    """The sum of the gradients of SGD steps on these examples, in float64."""
    network, batch = problem(torch.float64)
    total = {name: torch.zeros_like(value) for name, value in network.named_parameters()}
    for chosen in steps:
        network.zero_grad()
        LOSS(network(batch.inputs[chosen]), batch.labels[chosen]).backward()
        for name, parameter in network.named_parameters():
            total[name] += parameter.grad
            parameter.data -= ETA * parameter.grad
    return total


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor], atol: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert not value.requires_grad
        torch.testing.assert_close(value, expected[name].to(value), atol=atol, rtol=1e-6)


def test_one_epoch_of_the_full_batch_is_the_gradient_up_to_the_rounding_of_the_weights():
    network, batch = problem()
    plain = NoDefense().gradient(network, LOSS, batch, None)
    largest = max(float(p.detach().abs().max()) for p in network.parameters())
    assert_same(shared(FedAvg(1, ETA)), plain, atol=2 * 2**-24 * largest / ETA)
    assert_same(shared(FedAvg(1, ETA), torch.float64), plain, atol=1e-7)


def test_full_batches_take_one_step_an_epoch():
    everyone = list(range(6))
    assert_same(shared(FedAvg(3, ETA), torch.float64), by_hand(*[everyone] * 3), atol=1e-12)


@pytest.mark.parametrize("b_mini", [1, 2, 4])
def test_mini_batches_go_through_the_batch_once_an_epoch(b_mini):
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(6, generator=generator) for _ in range(2)]
    steps = [part.tolist() for order in orders for part in order.split(b_mini)]
    found = shared(FedAvg(2, ETA, b_mini), torch.float64)
    assert_same(found, by_hand(*steps), atol=1e-12)


@pytest.mark.parametrize("b_mini", [6, 7])
def test_a_mini_batch_as_large_as_the_batch_is_the_full_batch(b_mini):
    full, mini = shared(FedAvg(2, ETA)), shared(FedAvg(2, ETA, b_mini))
    assert all(torch.equal(mini[name], value) for name, value in full.items())


def test_same_seed_same_update_and_another_seed_another():
    first, again, other = (shared(FedAvg(2, ETA, 2), seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(again[name], value) for name, value in first.items())
    assert not torch.equal(other["1.weight"], first["1.weight"])


def test_the_network_is_left_as_it_was():
    network, batch = problem()
    before = deepcopy(network.state_dict())
    Client(network, FedAvg(3, 0.5, 2)).share(batch, torch.Generator().manual_seed(0))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_every_local_step_is_defended():
    bound = 1e-3
    found = shared(FedAvg(4, ETA, 2), torch.float64, defense=DPSGD(bound, 0.0))
    norm = torch.cat([value.flatten() for value in found.values()]).norm()
    assert 0 < norm <= 4 * 3 * bound * (1 + 1e-6)  # E b / b_mini steps of norm at most C


def test_a_neuron_that_learnt_nothing_stays_exactly_zero():
    network, batch = problem()
    with torch.no_grad():
        network[1].bias[7] = -1e3
    update = Client(network, FedAvg(3, ETA)).share(batch)
    assert update.gradients["1.weight"][7].eq(0).all()


def test_frozen_parameters_are_not_shared():
    network, batch = problem()
    network[1].requires_grad_(False)
    assert "1.weight" not in Client(network, FedAvg(2, ETA)).share(batch).gradients


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0.1), "epochs is 0; expected at least 1"),
        ((1, 0.0), "learning_rate is 0.0; expected a finite number above 0"),
        ((1, math.nan), "learning_rate is nan"),
        ((1, math.inf), "learning_rate is inf"),
        ((1, 0.1, 0), "batch_size is 0; expected at least 1, or None"),
    ],
)
def test_numbers_without_a_meaning_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        FedAvg(*arguments)
