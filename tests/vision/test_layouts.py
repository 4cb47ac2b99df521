"""Layouts of vision transformers: found by tracing, whatever their parts are called."""

import pytest
import torch
from support import vision as support
from support.timm_like import TimmLike
from torch import nn
from torchvision.models.swin_transformer import SwinTransformer

from spear.budget import Budget
from spear.errors import VictimError
from spear.reconstruction import Status
from spear.scoring import match
from spear.vision.first_block import first_block
from spear.vision.layout import outputs_of
from spear.vision.recovery import recover

LAYOUTS = {
    "class token": {},
    "mean of patches": {"pool": "avg"},
    "no class token": {"pool": "avg", "class_token": False},
    "without biases of queries": {"qkv_bias": False},
    "LayerScale": {"scale": 0.1},
    "registers": {"registers": 2},
    "registers, mean, scale": {"registers": 3, "pool": "avg", "scale": 0.5, "width": 96},
    "sinusoidal": {"fixed": True, "pool": "avg"},
}


class Distilled(TimmLike):
    """DeiT: a second token in place of a register, and the mean of two heads."""

    def __init__(self) -> None:
        super().__init__(registers=1)
        self.head_dist = nn.Linear(64, 10)

    def forward(self, x):
        seen = []
        handle = self.norm.register_forward_hook(lambda *args: seen.append(args[2]))
        first = super().forward(x)
        handle.remove()
        return (first + self.head_dist(seen[0][:, 1])) / 2


def made(kind, dtype):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Distilled() if kind == "DeiT" else TimmLike(**LAYOUTS[kind])
    return network.to(dtype).eval()


def gradients_of(network, images, labels):
    loss = nn.functional.cross_entropy(outputs_of(network, images), labels)
    trained = {name: each for name, each in network.named_parameters() if each.requires_grad}
    found = torch.autograd.grad(
        loss, list(trained.values()), materialize_grads=True, allow_unused=True
    )
    return dict(zip(trained, found, strict=True))


@pytest.mark.parametrize("kind", [*LAYOUTS, "DeiT"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.few(3)
def test_all_images_are_found_and_proven(kind, dtype):
    network = made(kind, dtype)
    images, labels = support.noise_images(2).to(dtype), torch.tensor([1, 4])
    found = recover(network, gradients_of(network, images, labels), Budget(60.0))
    assert found.status is Status.EXACT
    order = match(found.images.flatten(1), images.flatten(1).double())
    assert (found.images[order] - images).abs().max() < (1e-3 if dtype == torch.float32 else 1e-9)
    told = outputs_of(network, images).softmax(dim=1) - 2 * found.output_gradients[order]
    assert torch.equal(told.argmax(dim=1), labels)


@pytest.mark.parametrize("kind", [*LAYOUTS, "DeiT"])
def test_tokens_without_a_patch_are_counted(kind):
    network = made(kind, torch.float64)
    block = first_block(network)
    assert block.heads == 4
    assert block.layout.order == (0, 1, 2)
    assert (block.prefix, block.grid.patches) == (network.others, 4)
    assert block.layout.blocks == ("blocks.0", "blocks.1")


def test_other_transformers_are_refused_in_a_sentence():
    with pytest.raises(VictimError, match="no LayerNorm stands directly before"):
        first_block(TimmLike(post=True))
    swin = SwinTransformer([4, 4], 24, [2], [2], [2, 2], num_classes=10)
    swin.image_size = 16
    with pytest.raises(VictimError, match="Swin"):
        first_block(swin)
    with pytest.raises(VictimError, match="without an image_size"):
        first_block(nn.Conv2d(3, 4, 2))


def test_an_attention_that_is_not_the_formula_is_refused():
    network = TimmLike()
    network.blocks[0].attn.qkv.register_forward_hook(lambda module, args, out: out * out.abs())
    with pytest.raises(VictimError, match="does not give a softmax attention"):
        first_block(network)
