"""Feature inversion: pictures from the features of a small convolutional network."""

import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from spear.baselines.feature_inversion.attack import FeatureInversion
from spear.baselines.feature_inversion.pairing import paired_labels
from spear.client.client import Client
from spear.data.augmentation import class_probabilities
from spear.data.base import Batch
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation, LayerError, VictimError
from spear.inversion import SpearIrls
from spear.probing import layer_inputs
from spear.reconstruction import Status
from spear.scoring import match, truth_of
from spear.update import Update

SHAPE = (3, 12, 12)
DOMAIN = Domain(SHAPE, torch.tensor(0.0), torch.tensor(1.0))


def convolutional(width: int = 200) -> nn.Sequential:
    """Convolutions, then three linear layers; ReLUs in place, as in VGG."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Flatten(),
        nn.Linear(288, width), nn.ReLU(inplace=True), nn.Linear(width, width),
        nn.ReLU(inplace=True), nn.Linear(width, 5),
    )  # fmt: skip


def problem(b: int = 3) -> tuple[Update, Batch]:
    """Smooth random pictures and the update that they cause; the server knows the labels."""
    coarse = torch.rand(b, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    pictures = nn.functional.interpolate(coarse, size=SHAPE[1:], mode="bilinear")
    batch = Batch(pictures, torch.tensor([4, 1, 1, 0])[:b])
    update = Client(convolutional(), domain=DOMAIN).share(batch)
    return update.with_labels(batch.labels), batch


def attack(**settings) -> FeatureInversion:
    settings = {"matching": 0.0, "iterations": 60} | settings
    return FeatureInversion(SpearIrls(time_limit=2), **settings)


@pytest.mark.parametrize("matching", [0.0, 1.0])
def test_the_pictures_have_the_features_that_were_recovered(matching):
    update, batch = problem()
    inversion = attack(matching=matching)
    found = inversion(inversion.observe(update))
    assert found.status is Status.ESTIMATED
    layer = update.network[6]
    with torch.no_grad():
        true = layer_inputs(update.network, layer, batch.inputs)
        pictures = found.inputs.reshape(-1, *SHAPE)
        features = layer_inputs(update.network, layer, pictures)
        random = layer_inputs(update.network, layer, torch.rand(3, *SHAPE))
    order = match(features, true)
    assert cosine_similarity(features[order], true).min() > 0.97
    assert cosine_similarity(random, true).max() < 0.95
    assert found.details["feature_distance"] < 0.03
    error = (found.inputs[match(found.inputs, batch.inputs.flatten(1))]).sub(
        batch.inputs.flatten(1)
    )
    constant = batch.inputs.flatten(1) - batch.inputs.mean()
    assert error.square().mean() < constant.square().mean()


def test_pictures_stay_in_their_range_and_the_seed_decides():
    update, _ = problem()
    inversion = attack(iterations=5)
    first, again, other = (inversion(update, seed=seed) for seed in (1, 1, 2))
    assert 0 <= first.inputs.min() <= first.inputs.max() <= 1
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs, other.inputs)


def test_the_update_is_left_as_it_was():
    update, _ = problem()
    before = {name: value.clone() for name, value in update.network.state_dict().items()}
    attack(iterations=2, matching=1.0)(update)
    for name, value in update.network.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(module._forward_hooks for module in update.network.modules())
    assert not any(module._forward_pre_hooks for module in update.network.modules())


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_each_feature_gets_its_own_label(noise):
    update, batch = problem(4)
    found = SpearIrls()(SpearIrls().observe(update))
    true = truth_of(Client(update.network), batch, 1).inputs
    order = match(found.inputs, true)
    generator = torch.Generator().manual_seed(0)
    gradients = found.activation_gradients
    scale = noise * gradients.abs().mean()
    spoilt = gradients + scale * torch.randn(gradients.shape, generator=generator)
    found = dataclasses.replace(found, activation_gradients=-3.0 * spoilt)
    shuffled = update.with_labels(batch.labels[[2, 0, 3, 1]])
    assert torch.equal(paired_labels(shuffled, 1, found)[order], batch.labels)


def test_each_feature_gets_its_own_soft_label():
    update, batch = problem(4)
    found = SpearIrls()(SpearIrls().observe(update))
    order = match(found.inputs, truth_of(Client(update.network), batch, 1).inputs)
    hard = class_probabilities(batch.labels, update.network(batch.inputs).shape[1]).float()
    shuffled = update.with_labels(hard[[2, 0, 3, 1]])
    assert torch.equal(paired_labels(shuffled, 1, found)[order], hard)


def test_labels_are_asked_for_with_gradient_matching_alone():
    assert not attack().given_labels
    inversion = attack(matching=1.0)
    assert inversion.given_labels
    update, _ = problem()
    with pytest.raises(InvalidObservation, match="3 recovered features but no labels"):
        inversion(dataclasses.replace(update, labels=None))
    with pytest.raises(InvalidObservation, match="3 recovered features but 2 labels"):
        inversion(update.with_labels(torch.tensor([1, 2])))


def test_the_time_limit_returns_the_best_so_far():
    update, _ = problem()
    found = attack(time_limit=1e-9)(update)
    assert found.status is Status.TIMED_OUT
    assert found.inputs.shape == (3, math.prod(SHAPE))


def test_without_features_there_are_no_pictures():
    update, _ = problem()
    zero = {name: torch.zeros_like(value) for name, value in update.gradients.items()}
    found = attack()(dataclasses.replace(update, gradients=zero))
    assert found.status is Status.ZERO_GRADIENT
    assert found.inputs.shape == (0, math.prod(SHAPE))


def test_what_it_cannot_attack_is_refused():
    update, _ = problem()
    with pytest.raises(LayerError):
        FeatureInversion(SpearIrls(layer=3)).check(update.network, update.domain)
    with pytest.raises(VictimError, match="training mode"):
        attack().check(nn.Sequential(nn.Dropout(), *convolutional()), update.domain)
    flat = dataclasses.replace(update, domain=Domain.unbounded((432,)))
    with pytest.raises(InvalidObservation, match="smooths images"):
        attack().observe(flat)
    with pytest.raises(ConfigError, match="no linear layer"):
        FeatureInversion(attack())


@pytest.mark.parametrize(
    ("setting", "value"),
    [("iterations", 0), ("matching", -1.0), ("total_variation", math.nan), ("learning_rate", 0.0)],
)
def test_settings_without_a_meaning_are_refused(setting, value):
    with pytest.raises(ConfigError, match=setting):
        attack(**{setting: value})
