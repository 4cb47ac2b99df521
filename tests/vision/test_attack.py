"""The attack on vision transformers, from a client's update to a reconstruction."""

import pytest
import torch
from support import vision as support
from torch import nn

from spear.client.client import Client
from spear.data import Batch, Digits
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation, VictimError
from spear.networks import fcnn, vit
from spear.reconstruction import Status
from spear.scoring import Scorer, truth_of
from spear.vision import SpearVit

SMALL = {"patch": 4, "width": 64, "depth": 2, "heads": 4, "mlp_width": 256}


def digits(b):
    dataset = Digits()
    return dataset, dataset.batch(b, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("head", ["class_token", "mean"])
def test_a_batch_of_digits_is_exact_with_its_labels(head):
    dataset, batch = digits(3)
    client = Client(vit(dataset.input_shape, 10, head=head, **SMALL), domain=dataset.domain)
    update, attack = client.share(batch), SpearVit()
    attack.check(client.network, dataset.domain)
    found = attack(attack.observe(update))
    assert found.status is Status.EXACT
    assert found.missing == 0
    truth = truth_of(client, batch, attack.layer, update)
    scorer = Scorer(dataset)
    score = scorer(found, truth)
    assert score["exact"]
    assert min(score.psnr_per_image) > 80
    order = scorer.beside(found, truth).order
    expected = nn.functional.one_hot(batch.labels, 10).double()
    torch.testing.assert_close(found.labels[order], expected, atol=1e-3, rtol=0)


def test_missing_images_are_counted():
    """At the time limit, what is known of each image is there, and only whole ones are found."""
    network = support.model(dtype=torch.float32)
    client = Client(network, domain=Domain.unbounded((3, 8, 8)))
    images = support.noise_images(6).float()
    attack = SpearVit(time_limit=1e-6)
    found = attack(attack.observe(client.share(Batch(images, torch.arange(6)))))
    assert found.status is Status.TIMED_OUT
    assert found.batch_size == 6
    assert found.n_directions < 6
    assert found.labels is None
    whole, rest = found.inputs[: found.n_directions], found.inputs[found.n_directions :]
    assert (whole != 0).all()
    assert (rest == 0).any(dim=1).all()


def test_a_model_without_a_gradient_is_told():
    network = support.model()
    nn.init.zeros_(network.heads.head.weight)
    client = Client(network)
    attack = SpearVit()
    found = attack(attack.observe(client.share(Batch(support.noise_images(2), torch.arange(2)))))
    assert found.status is Status.ZERO_GRADIENT
    assert found.inputs.shape == (0, 192)


def test_networks_that_cannot_be_attacked_are_refused_before_any_batch():
    attack, domain = SpearVit(), Domain.unbounded((3, 8, 8))
    with pytest.raises(VictimError, match="the model is a Sequential"):
        attack.check(fcnn((3, 8, 8), 10), domain)
    with pytest.raises(VictimError, match=r"takes images of shape \(3, 8, 8\), but the domain"):
        attack.check(support.model(), Domain.unbounded((1, 8, 8)))
    training = support.model()
    training.encoder.dropout.p = 0.1
    with pytest.raises(VictimError, match="in training mode"):
        attack.check(training.train(), domain)
    with pytest.raises(VictimError, match="patches get no gradient"):
        attack.check(support.model(pooled=False, layers=1), domain)
    with pytest.raises(ConfigError, match="time_limit"):
        SpearVit(time_limit=-1.0)


def test_updates_without_the_first_block_are_refused():
    network = support.model()
    network.conv_proj.weight.requires_grad_(False)
    update = Client(network).share(Batch(support.noise_images(2), torch.arange(2)))
    attack = SpearVit()
    with pytest.raises(InvalidObservation, match=r"conv_proj\.weight has no gradient"):
        attack(attack.observe(update))
