"""Local descents: they come from the noise back to the truth where the gradient shows it."""

import copy
import math

import pytest
import torch
from torch import nn

from spear.baselines.gradient_matching.gradients import Dense
from spear.baselines.gradient_matching.objectives import CosineDistance, SquaredDistance
from spear.client.client import Client
from spear.client.risk import Lavp, LocalDescent, Together
from spear.data import Batch
from spear.errors import ConfigError
from spear.networks import fcnn

SHAPE = (1, 4, 5)
LOSS = nn.CrossEntropyLoss()


@pytest.fixture
def network():
    return fcnn(SHAPE, 4, width=60, depth=2)


def drawn(seed: int = 3) -> Batch:
    inputs = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(seed))
    return Batch(inputs, torch.tensor([seed % 4]))


def test_it_comes_back_to_a_truth_that_the_gradient_shows(network):
    found = LocalDescent(distance=0.05, iterations=200)(network, LOSS, drawn())
    for loss in ("l2", "cosine"):
        assert found[f"local_{loss}_left"] < 0.3
        assert found[f"local_{loss}_loss"] < 0.1


def test_its_start_is_at_the_given_distance_and_one_for_both_losses():
    forecast, batch = LocalDescent(distance=0.25), drawn()
    noise = forecast._noise(batch.inputs)
    assert float(noise.square().mean().sqrt()) == pytest.approx(0.25, rel=1e-6)
    assert torch.equal(noise, LocalDescent(distance=0.25)._noise(drawn(7).inputs))
    assert not torch.equal(noise, LocalDescent(distance=0.25, seed=1)._noise(batch.inputs))


def test_the_loss_of_the_end_is_that_of_its_candidate(network):
    """The ratio by its own definition, from the gradients of both candidates."""
    forecast, batch = LocalDescent(iterations=5), drawn()
    start = batch.inputs + forecast._noise(batch.inputs)
    update = Client(network).share(batch)
    for objective in (SquaredDistance(), CosineDistance()):
        distance = objective.prepare(update.gradients)
        end, ratio = forecast._descended(
            update.with_labels(batch.labels), objective, start, batch.labels
        )
        losses = [
            float(distance(_dense(Client(network).share(Batch(each, batch.labels)).gradients)))
            for each in (start, end)
        ]
        assert ratio == pytest.approx(losses[1] / losses[0], rel=1e-3)


def _dense(gradients):
    return {name: Dense(each) for name, each in gradients.items()}


def test_the_network_is_not_changed(network):
    before = copy.deepcopy(network.state_dict())
    LocalDescent(iterations=3)(network, LOSS, drawn())
    assert all(torch.equal(before[name], each) for name, each in network.state_dict().items())
    assert all(each.grad is None for each in network.parameters())


def test_a_gradient_that_does_not_depend_on_the_inputs_leaves_the_start():
    network = nn.Sequential(nn.Flatten(), nn.Linear(20, 4))
    for each in network[1].parameters():
        each.data.zero_()
    network[1].weight.requires_grad_(False)
    found = LocalDescent(iterations=3)(network, LOSS, drawn())
    assert found["local_l2_left"] == 1.0


@pytest.mark.parametrize(
    "setting", [{"distance": 0.0}, {"distance": math.nan}, {"iterations": 0}, {"learning_rate": -1}]
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        LocalDescent(**setting)


def test_several_forecasts_give_all_numbers_and_refuse_one_name_twice(network):
    lavp, local = Lavp(), LocalDescent(iterations=1)
    found = Together({"lavp": lavp, "local": local})(network, LOSS, drawn())
    assert {"lavp_l2_max", "local_l2_left", "gradient_norm"} <= found.keys()
    with pytest.raises(ConfigError, match=r"forecasts\.other"):
        Together({"local": local, "other": local})(network, LOSS, drawn())
