"""APRIL: the closed form is exact for one image, and its residual tells of more."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spear.baselines.april import April
from spear.client.client import Client
from spear.data import Batch
from spear.domain import Domain
from spear.errors import InvalidObservation, VictimError
from spear.networks import fcnn, vit
from spear.reconstruction import Status


def network(seed=0, head="class_token", channels=3, dtype=torch.float64):
    shape = channels, 8, 8
    return vit(shape, 5, 4, 32, 2, 2, 64, head, seed).to(dtype)


def images(b, seed=0, channels=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, channels, 8, 8, generator=generator, dtype=dtype)


def attacked(model, batch):
    update = Client(model).share(Batch(batch, torch.arange(len(batch)) % 5))
    attack = April()
    attack.check(model, update.domain)
    return attack(attack.observe(update))


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 100),
    head=st.sampled_from(["class_token", "mean"]),
    channels=st.sampled_from([1, 3]),
)
def test_the_closed_form_is_exact_for_one_image(seed, head, channels):
    image = images(1, seed, channels)
    found = attacked(network(seed, head, channels), image)
    assert found.status is Status.ESTIMATED
    torch.testing.assert_close(found.inputs, image.flatten(1), atol=1e-6, rtol=0)
    assert found.details["residual"] < 1e-12


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 100), b=st.integers(2, 4))
def test_the_residual_tells_of_more_images(seed, b):
    found = attacked(network(seed), images(b, seed))
    assert found.inputs.shape == (1, 192)
    assert found.details["residual"] > 1e-2


def test_rounding_of_a_float32_client_is_all_that_it_misses():
    image = images(1, dtype=torch.float32)
    found = attacked(network(dtype=torch.float32), image)
    assert float((found.inputs - image.flatten(1)).abs().max()) < 1e-3
    assert found.details["residual"] < 1e-5


def test_nothing_leaks_behind_a_head_of_zeros():
    model = network()
    nn.init.zeros_(model.heads.head.weight)
    found = attacked(model, images(1))
    assert found.status is Status.ZERO_GRADIENT
    assert found.inputs.shape == (0, 192)


def test_what_it_cannot_attack_is_refused():
    domain = Domain.unbounded((3, 8, 8))
    with pytest.raises(VictimError, match="the network is a Sequential; expected a torchvision"):
        April().check(fcnn((3, 8, 8), 5), domain)
    overlapping = network()
    overlapping.conv_proj = nn.Conv2d(3, 32, 4, 2)
    with pytest.raises(VictimError, match="stride is its kernel's size"):
        April().check(overlapping, domain)
    frozen = network()
    frozen.encoder.pos_embedding.requires_grad_(False)
    with pytest.raises(InvalidObservation, match=r"encoder\.pos_embedding has no gradient"):
        attacked(frozen, images(1))
