"""VGG11 with few channels: torchvision's layout, drawn from the seed alone."""

import pytest
import torch
import torchvision.models
from torch import nn

from spear.errors import ConfigError
from spear.networks import vgg11

SHAPE = (3, 32, 32)


def convolutions(network):
    return [each for each in network.modules() if isinstance(each, nn.Conv2d)]


def test_with_all_channels_its_features_are_torchvisions():
    ours = vgg11(SHAPE, 10, width=64)
    theirs = torchvision.models.vgg11().features
    assert [type(each) for each in ours[: len(theirs)]] == [type(each) for each in theirs]
    for one, other in zip(convolutions(ours), convolutions(theirs), strict=True):
        assert one.weight.shape == other.weight.shape
    assert ours[-1].in_features == 512


@pytest.mark.parametrize(("shape", "features"), [(SHAPE, 128), ((3, 64, 100), 128 * 6)])
def test_a_quarter_of_the_channels_is_the_default(shape, features):
    network = vgg11(shape, 7, bias=False)
    widths = [each.out_channels for each in convolutions(network)]
    assert widths == [16, 32, 64, 64, 128, 128, 128, 128]
    assert network[-1].in_features == features
    assert network[-1].bias is None
    assert network(torch.rand(2, *shape)).shape == (2, 7)


def test_signals_keep_their_size_and_the_seed_decides():
    state = torch.get_rng_state()
    first, again, other = (vgg11(SHAPE, 10, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first[0].weight, again[0].weight)
    assert not torch.equal(first[0].weight, other[0].weight)
    features = first[:-1](torch.randn(20, *SHAPE))
    assert 0.03 < features.std() < 30


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 31, 64), (784,)])
def test_only_colour_images_of_some_size_are_taken(shape):
    with pytest.raises(ConfigError, match="at least 32 pixels"):
        vgg11(shape, 10)


def test_a_network_without_channels_is_refused():
    with pytest.raises(ConfigError, match="width is 0; expected at least 1"):
        vgg11(SHAPE, 10, width=0)
