"""A step of SGD is one on the gradient that the client's own defense shares."""

import pytest
import torch
from torch import nn

from benchmarks.defended_accuracy import clipped_mean, defense, step
from spear.analysis.records.defended import COLUMNS, SETTINGS, accuracies, best
from spear.client import Client
from spear.client.defenses import DPSGD, ClippedMean, NoiseMultiplier
from spear.data.base import Batch


def problem() -> tuple[nn.Module, Batch]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 4))
    return network, Batch(torch.randn(6, 30), torch.arange(6) % 4)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_step_is_that_of_the_clients_defense(name):
    """Also for clipping, which is done here for all examples at once."""
    network, batch = problem()
    value = SETTINGS[name][1][-1]
    chosen = defense(name, value)
    if isinstance(chosen, ClippedMean):
        chosen = DPSGD(0.3, 0.0) if isinstance(chosen, DPSGD) else NoiseMultiplier(0.3, 0.0)
    client = Client(network, defense=chosen)
    shared = client.share(batch, torch.Generator().manual_seed(3)).gradients
    plain = Client(network).share(batch).gradients
    assert name == "none" or any(not torch.equal(shared[key], plain[key]) for key in shared)
    before = {key: each.detach().clone() for key, each in network.named_parameters()}
    step(network, batch, chosen, 0.7, torch.Generator().manual_seed(3))
    for key, now in network.named_parameters():
        torch.testing.assert_close(before[key] - now, 0.7 * shared[key])


@pytest.mark.parametrize(
    ("chosen", "deviation"), [(NoiseMultiplier(2.0, 0.3), 0.3 * 2.0 / 5), (DPSGD(2.0, 0.1), 0.1)]
)
def test_noise_has_the_deviation_of_the_defense(chosen, deviation):
    network = nn.Sequential(nn.Linear(300, 200), nn.ReLU(), nn.Linear(200, 4))
    silent = Batch(torch.zeros(5, 300), torch.arange(5) % 4)  # no gradient reaches these weights
    shared = clipped_mean(network, silent, chosen, torch.Generator())
    assert abs(shared["0.weight"].std().item() / deviation - 1) < 0.02


def test_the_setting_of_a_defense_is_the_swept_one():
    assert defense("top_k", 0.8).share == 0.8
    assert (defense("dpsgd", 0.3).max_norm, defense("dpsgd", 0.3).noise_std) == (0.3, 2e-5)


def test_accuracies_are_of_known_settings_and_the_best_rate_counts():
    table = accuracies()
    assert not table.duplicated(COLUMNS[:-1]).any()
    for name, own in table.groupby("defense"):
        assert {*own["setting"]} == {*best(name).index} <= {*SETTINGS[name][1]}
        assert best(name).max() == own["accuracy"].max()
    assert table["accuracy"].between(0.05, 0.6).all()
    assert best("none").size == 1
