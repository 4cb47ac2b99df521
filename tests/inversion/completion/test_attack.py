"""Exact inversion of pruned gradients."""

import dataclasses

import pytest
import torch
from torch import nn

from spear.client.client import Client
from spear.client.defenses import Sparsification
from spear.data.base import Batch
from spear.inversion import SpearPruned
from spear.inversion.completion.attack import _verdict
from spear.observation import Observation
from spear.reconstruction import RESTS_ON_BIASES, Status
from spear.scoring import match

B, N, M = 3, 200, 120


def shared(share, seed=0, small=None):
    """A batch, in which one input entry may be small, and its pruned update."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(N, M), nn.ReLU(), nn.Linear(M, 5))
    batch = Batch(torch.randn(B, N), torch.randint(5, (B,)))
    if small is not None:
        batch.inputs[:, small] *= 1e-3
    client = Client(network, defense=Sparsification(share))
    return batch, client.share(batch)


@pytest.mark.parametrize(
    ("share", "status"),
    [(0.0, Status.EXACT), (0.1, Status.EXACT), (0.3, Status.ESTIMATED)],  # one neuron tells nothing
)
def test_a_pruned_batch_is_found(share, status):
    batch, update = shared(share)
    attack = SpearPruned()
    found = attack(attack.observe(update))
    assert found.status is status
    assert (found.details["untold"] > 0) == (status is Status.ESTIMATED)
    assert found.details["open"] == 0
    assert found.details["residual"] < 1e-6
    matched = found.inputs[match(found.inputs, batch.inputs.double())]
    torch.testing.assert_close(matched, batch.inputs.double(), rtol=0, atol=1e-3)


def test_lengths_that_rest_on_the_bias_gradient_are_told():
    """With all biases zero, twice the bias gradient is that of inputs of half the length."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(N, M), nn.ReLU(), nn.Linear(M, 5))
    nn.init.zeros_(network[0].bias)
    batch = Batch(torch.randn(B, N), torch.randint(5, (B,)))
    update = Client(network, defense=Sparsification(0.1)).share(batch)
    seen = SpearPruned().observe(update)
    altered = dataclasses.replace(seen, bias_gradient=2 * seen.bias_gradient)
    for observation in (seen, altered):
        assert SpearPruned()(observation).details[RESTS_ON_BIASES] == 1


def test_input_entries_without_enough_equations_are_never_exact():
    """Of a small input entry pruning leaves nothing."""
    batch, update = shared(0.3, small=7)
    attack = SpearPruned()
    found = attack(attack.observe(update))
    assert found.status is Status.ESTIMATED
    assert found.details["open"] == 1
    matched = found.inputs[match(found.inputs, batch.inputs.double())]
    torch.testing.assert_close(matched, batch.inputs.double(), rtol=0, atol=0.01)


@pytest.mark.parametrize("factor", [1.001, 2.0, -1.0])
def test_an_altered_entry_is_never_exact(factor):
    _, update = shared(0.3)
    attack = SpearPruned(2.0)
    seen = attack.observe(update)
    gradient = seen.weight_gradient.clone()
    row, column = (gradient.abs() == gradient.abs().max()).nonzero()[0].tolist()
    gradient[row, column] *= factor
    found = attack(Observation(seen.weight, seen.bias, gradient, seen.bias_gradient))
    assert found.status is not Status.EXACT


def test_nothing_is_found_in_noise_and_in_zeros():
    _, update = shared(0.0)
    seen = SpearPruned().observe(update)
    noise, zeros = torch.randn(M, N), torch.zeros(M, N)
    noisy = SpearPruned(None)(Observation(seen.weight, seen.bias, noise, torch.randn(M)))
    assert noisy.status is Status.FULL_RANK
    empty = SpearPruned()(Observation(seen.weight, seen.bias, zeros, torch.zeros(M)))
    assert empty.status is Status.ZERO_GRADIENT


@pytest.mark.parametrize(
    ("found", "unknown", "residual", "expected"),
    [
        (Status.EXACT, 0, 1e-7, Status.EXACT),
        (Status.EXACT, 0, 1e-4, Status.PARTIAL),
        (Status.EXACT, 0, float("nan"), Status.PARTIAL),
        (Status.EXACT, 1, 1e-7, Status.ESTIMATED),
        (Status.APPROXIMATE, 1, 1e-7, Status.ESTIMATED),
        (Status.TIMED_OUT, 1, 1e-7, Status.TIMED_OUT),
    ],
)
def test_exact_takes_every_entry_and_the_rounding(found, unknown, residual, expected):
    assert _verdict(found, unknown, residual, torch.finfo(torch.float32).eps) is expected


def test_an_input_that_acts_only_where_too_few_entries_are_left_is_missed_and_said_to_be():
    """It is active on 5 neurons, in whose rows 3 entries each are left."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(N, M), nn.ReLU(), nn.Linear(M, 5))
    first = network[0]
    batch = Batch(torch.randn(B, N), torch.randint(5, (B,)))
    with torch.no_grad():
        first.weight[5:] -= (
            torch.relu(first(batch.inputs[:1]).T[5:] + 0.1)
            * batch.inputs[:1]
            / (batch.inputs[:1].square().sum())
        )
    assert int((first(batch.inputs[:1]) > 0).sum()) <= 5
    attack = SpearPruned()
    seen = attack.observe(Client(network).share(batch))
    gradient = seen.weight_gradient.clone()
    gradient[:5, 3:] = 0.0
    found = attack(Observation(seen.weight, seen.bias, gradient, seen.bias_gradient))
    assert found.status is not Status.EXACT


def test_the_time_limit_ends_the_completion():
    """Noise has no low rank, so that all of them would be tried."""
    _, update = shared(0.0)
    seen = SpearPruned().observe(update)
    noise = torch.randn(M, N) * (torch.rand(M, N) < 0.9)
    found = SpearPruned(1e-3)(Observation(seen.weight, seen.bias, noise, torch.randn(M)))
    assert found.status is Status.TIMED_OUT
    assert found.seconds < 5
