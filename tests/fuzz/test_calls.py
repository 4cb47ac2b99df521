"""Fuzz tests of the calls for gradients of your own: an honest answer or one sentence, in time."""

import torch
from fuzzing import answered, changed, changes, check_honest, every, examples
from torch import nn

import spear
from spear.inversion import SpearIrls, SpearNetwork, SpearPair

SECONDS = 0.2
"""Time limit of each search."""


def problem(activation: type[nn.Module]) -> tuple[nn.Sequential, torch.Tensor, dict]:
    """A network of three layers, three inputs, and their gradients."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Linear(16, 24), activation(), nn.Linear(24, 20), activation(), nn.Linear(20, 5)
        )
        inputs, labels = torch.randn(3, 16), torch.tensor([0, 3, 3])
    nn.CrossEntropyLoss()(network(inputs), labels).backward()
    gradients = {name: each.grad for name, each in network.named_parameters()}
    network.zero_grad()
    return network, inputs, gradients


@examples(60, 1500)
def test_one_layer(n):
    network, inputs, gradients = problem(nn.ReLU)
    held = {
        "weight": network[0].weight.detach(),
        "bias": network[0].bias.detach(),
        "weight_gradient": gradients["0.weight"],
        "bias_gradient": gradients["0.bias"],
    }

    def holds(drawn):
        given = changed(held, drawn)
        attack = SpearIrls(time_limit=SECONDS)
        check_honest(answered(lambda: spear.invert(**given, attack=attack)), inputs)

    every(n, changes(held), holds)


@examples(60, 1500)
def test_a_layer_pair(n):
    network, inputs, gradients = problem(nn.GELU)
    held = {
        "weight": network[0].weight.detach(),
        "bias": network[0].bias.detach(),
        "weight_gradient": gradients["0.weight"],
        "bias_gradient": gradients["0.bias"],
        "next_weight": network[2].weight.detach(),
        "next_weight_gradient": gradients["2.weight"],
        "next_bias_gradient": gradients["2.bias"],
    }

    def holds(drawn):
        given = changed(held, drawn)
        attack = SpearPair(time_limit=SECONDS, max_starts=200)
        if given["bias_gradient"] is None:  # takes no attack, and has a time limit of its own
            return
        call = lambda: spear.invert_pair(**given, activation="gelu", attack=attack)  # noqa: E731
        check_honest(answered(call), inputs)

    every(n, changes(held), holds)


@examples(60, 1500)
def test_a_network(n):
    network, inputs, held = problem(nn.Tanh)

    def holds(drawn):
        given = changed(held, drawn)
        attack = SpearNetwork(1, time_limit=SECONDS, max_starts=200)
        call = lambda: spear.invert_network(network, given, (16,), attack=attack)  # noqa: E731
        check_honest(answered(call), inputs)

    every(n, changes(held), holds)


def test_the_honest_update_is_exact():
    network, inputs, gradients = problem(nn.Tanh)
    attack = SpearNetwork(1, time_limit=5.0)
    found = spear.invert_network(network, gradients, (16,), attack=attack)
    assert found.status == "exact"
    check_honest(found, inputs)
