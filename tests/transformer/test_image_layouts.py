"""Vision transformers of `transformers`: their layouts are found, others are refused."""

import pytest
import torch
from torch import nn

from spear.budget import Budget
from spear.errors import VictimError
from spear.reconstruction import Status
from spear.scoring import match
from spear.vision.first_block import first_block
from spear.vision.recovery import recover

transformers = pytest.importorskip("transformers")

SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "image_size": 8,
    "patch_size": 4,
    "num_labels": 10,
}
KINDS = {
    "ViT": (transformers.ViTConfig, transformers.ViTForImageClassification, {}),
    "without biases": (
        transformers.ViTConfig,
        transformers.ViTForImageClassification,
        {"qkv_bias": False},
    ),
    "DeiT": (transformers.DeiTConfig, transformers.DeiTForImageClassification, {}),
    "DINOv2": (transformers.Dinov2Config, transformers.Dinov2ForImageClassification, {}),
    "registers": (
        transformers.Dinov2WithRegistersConfig,
        transformers.Dinov2WithRegistersForImageClassification,
        {"num_register_tokens": 2},
    ),
}
OTHERS = {"DeiT": 2, "registers": 3}


def made(kind, dtype=torch.float32):
    config, model, more = KINDS[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = model(config(**SMALL, **more))
        for name, each in network.named_parameters():
            if "embeddings" in name and ("token" in name or "position" in name):
                nn.init.normal_(each, std=0.02)  # zeros would leave positions alike
    return network.to(dtype).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_all_images_are_found_and_proven(kind):
    network = made(kind)
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    nn.functional.cross_entropy(network(images).logits, torch.tensor([1, 4])).backward()
    gradients = {k: each.grad for k, each in network.named_parameters() if each.grad is not None}
    block = first_block(network)
    assert block.prefix == OTHERS.get(kind, 1)
    found = recover(network, gradients, Budget(60.0))
    assert found.status is Status.EXACT
    order = match(found.images.flatten(1), images.flatten(1).double())
    assert (found.images[order] - images).abs().max() < 1e-3


def test_relative_positions_and_windows_are_refused():
    """BEiT adds a bias for relative positions, Swin attends within windows."""
    config = transformers.BeitConfig(**SMALL, use_relative_position_bias=True)
    beit = transformers.BeitForImageClassification(config).eval()
    for name, each in beit.named_parameters():
        if "relative_position_bias_table" in name:
            nn.init.normal_(each)
    with pytest.raises(VictimError, match="expected"):
        first_block(beit)
    config = transformers.SwinConfig(
        image_size=16, patch_size=2, embed_dim=24, depths=[2], num_heads=[2], window_size=4
    )
    with pytest.raises(VictimError, match="Swin"):
        first_block(transformers.SwinForImageClassification(config).eval())
