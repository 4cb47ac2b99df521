"""Vision transformers after some training."""

import pytest
import torch
from torch import nn

from spear.data import CIFAR10, Digits
from spear.errors import ConfigError
from spear.networks import trained_vit, vit
from spear.seeding import Stream, batch_generator

SMALL = {"patch": 4, "width": 16, "depth": 2, "heads": 2, "mlp_width": 32}
SHAPE = (1, 8, 8)


def test_without_steps_it_is_the_network_at_initialisation():
    first = trained_vit(SHAPE, 10, Digits("train"), seed=3, steps=0, **SMALL)
    other = vit(SHAPE, 10, head="mean", seed=3, **SMALL)
    for one, two in zip(first.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_training_learns_and_depends_on_the_seed_alone():
    settings = {"steps": 60, "learning_rate": 1e-2, **SMALL}
    networks = [trained_vit(SHAPE, 10, Digits("train"), seed=1, **settings) for _ in range(2)]
    for one, two in zip(*(each.parameters() for each in networks), strict=True):
        assert torch.equal(one, two)
        assert one.grad is None
    test = Digits("test")
    batch = test.batch(200, batch_generator(0, 0, Stream.DATA))
    right = (networks[0](batch.inputs).argmax(dim=1) == batch.labels).double().mean()
    assert right > 0.5  # one of ten by chance


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="steps is -1"):
        trained_vit(SHAPE, 10, Digits("train"), steps=-1, **SMALL)
    with pytest.raises(ConfigError, match="heads is 3"):
        trained_vit(SHAPE, 10, Digits("train"), **(SMALL | {"heads": 3}))


@pytest.mark.slow
def test_images_behind_a_trained_one_are_whole(data_root):
    """At least 7 of 8; where the status is exact, every one is right."""
    from spear.budget import Budget
    from spear.vision.recovery import recover

    network = trained_vit((3, 32, 32), 10, CIFAR10(data_root, "train"))
    batch = CIFAR10(data_root).batch(8, torch.Generator().manual_seed(0))
    loss = nn.functional.cross_entropy(network(batch.inputs), batch.labels)
    names, parameters = zip(*network.named_parameters(), strict=True)
    gradients = dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))
    found = recover(network, gradients, Budget())
    errors = (found.images[:, None] - batch.inputs.double()).square().mean(dim=(2, 3, 4)).sqrt()
    assert int((errors.amin(dim=0) < 1e-2).sum()) >= 7
    if found.status == "exact":
        assert errors.amin(dim=1).max() < 1e-2
