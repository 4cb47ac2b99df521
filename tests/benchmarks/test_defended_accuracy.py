"""A step of DP-SGD without noise is that of each example's gradient, clipped by itself."""

import torch
from torch import nn

from benchmarks.defended_accuracy import CLIP, RATE, step


def test_a_step_clips_each_example():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 4))
    inputs, labels = torch.randn(6, 30), torch.arange(6) % 4
    before = [each.detach().clone() for each in network.parameters()]
    expected = [torch.zeros_like(each) for each in before]
    norms = []
    for x, y in zip(inputs.split(1), labels.split(1), strict=True):
        loss = nn.functional.cross_entropy(network(x), y)
        own = torch.autograd.grad(loss, list(network.parameters()))
        norms.append(torch.cat([each.flatten() for each in own]).norm().item())
        for total, each in zip(expected, own, strict=True):
            total += min(1.0, CLIP / norms[-1]) * each
    assert max(norms) > CLIP
    step(network, [network[0], network[2]], inputs, labels, 0.0, torch.Generator())
    for start, now, total in zip(before, network.parameters(), expected, strict=True):
        torch.testing.assert_close(start - now, RATE / 6 * total)


def test_noise_has_the_deviation_of_the_multiplier_times_the_norm():
    network = nn.Sequential(nn.Linear(300, 200), nn.ReLU(), nn.Linear(200, 4))
    before = network[0].weight.detach().clone()
    silent = torch.zeros(5, 300)  # no gradient reaches these weights
    step(network, [network[0], network[2]], silent, torch.arange(5) % 4, 0.3, torch.Generator())
    moved = (before - network[0].weight).detach()
    assert abs(moved.std().item() / (RATE / 5 * 0.3 * CLIP) - 1) < 0.02
