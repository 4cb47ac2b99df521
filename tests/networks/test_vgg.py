"""VGG16: ImageNet's convolutions where they are at hand, and what is said where they are not."""

import os
from pathlib import Path

import pytest
import torch
import torchvision.models
from torch import nn

from spear.errors import CheckpointError, ConfigError
from spear.layers import Sparsity, linear_layers
from spear.networks.vgg import DOWNLOADED, FEATURES, vgg16

DATA = Path(os.environ.get("SPEAR_DATA", "data"))
SHAPE = (3, 32, 32)


class Small(nn.Module):
    """In the place of VGG16, which takes seconds to draw."""

    def __init__(self, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
        self.classifier = nn.Linear(2, num_classes)
        self.dropout = nn.Dropout(dropout)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A data root with the convolutions of `Small`, and an empty cache of torch hub."""
    monkeypatch.setattr(torchvision.models, "vgg16", Small)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "weights").mkdir()
    state = {f"features.{k}": v.half() for k, v in Small(3, 0.0).features.state_dict().items()}
    torch.save(state, tmp_path / "weights" / FEATURES)
    return tmp_path


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 31, 64), (784,)])
def test_only_colour_pictures_of_some_size_are_taken(shape):
    with pytest.raises(ConfigError, match="at least 32 pixels"):
        vgg16(shape, 10)


def test_the_convolutions_are_read_and_the_rest_is_drawn_from_the_seed(small):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (vgg16(SHAPE, 7, small, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    saved = torch.load(small / "weights" / FEATURES)["features.0.weight"]
    for network in (first, again, other):
        assert torch.equal(network.features[0].weight, saved.float())
    assert torch.equal(first.classifier.weight, again.classifier.weight)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)
    assert first.classifier.out_features == 7
    assert first.dropout.p == 0.0
    assert not first.training


def test_missing_and_wrong_convolutions_are_told(small):
    with pytest.raises(CheckpointError, match=f"not at .*{FEATURES}"):
        vgg16(SHAPE, 7, small / "elsewhere")
    torch.save({"features.0.weight": torch.zeros(1)}, small / "weights" / FEATURES)
    with pytest.raises(CheckpointError, match="does not hold VGG16's convolutions"):
        vgg16(SHAPE, 7, small)


def test_pretrained_takes_the_whole_network_and_never_downloads(small):
    with pytest.raises(CheckpointError, match=f"weights are not at .*{DOWNLOADED}"):
        vgg16(SHAPE, 1000, small, pretrained=True)
    with pytest.raises(ConfigError, match="1,000 classes"):
        vgg16(SHAPE, 10, small, pretrained=True)
    whole = Small(1000, 0.0)
    (small / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(whole.state_dict(), small / "hub" / "checkpoints" / DOWNLOADED)
    network = vgg16(SHAPE, 1000, small, pretrained=True)
    assert torch.equal(network.classifier.weight, whole.classifier.weight)


@pytest.mark.slow
@pytest.mark.skipif(
    not (DATA / "weights" / FEATURES).is_file(), reason="VGG16's convolutions are not at hand"
)
def test_the_network_of_table_6():
    network = vgg16(SHAPE, 1000, DATA)
    first, *_ = linear_layers(network, SHAPE)
    assert first.name == "classifier.0"
    assert (first.module.in_features, first.module.out_features) == (25088, 4096)
    assert Sparsity.GRADIENT in first.sparsity
    saved = torch.load(DATA / "weights" / FEATURES)["features.28.weight"]
    assert torch.equal(network.features[28].weight, saved.float())
