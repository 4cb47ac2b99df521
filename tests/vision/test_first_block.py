"""First block of a vision transformer: its parameters, and models that have none."""

import pytest
import torch
from support import vision as support
from torch import nn
from torchvision.models.vision_transformer import ConvStemConfig, VisionTransformer

from spear.errors import InvalidObservation, VictimError
from spear.vision.first_block import first_block
from spear.vision.patches import Grid
from spear.vision.seen import check_patches_are_seen
from spear.vision.shared_rows import shared_rows


@pytest.mark.parametrize("pooled", [True, False])
def test_its_formulas_are_the_network(pooled):
    network = support.model(pooled=pooled, spread=0.3, side=12)
    block = first_block(network)
    images = support.noise_images(2, side=12)
    patches = block.grid.cut(images) @ block.patch_weight.T
    x = torch.cat([torch.zeros_like(patches[:, :1]), patches], dim=1) + block.offsets
    layer = network.encoder.layers[0]
    h = block.before_attention(x)
    attended = layer.self_attention(h, h, h, need_weights=False)[0]
    u = block.before_feed_forward(x + attended).flatten(0, 1)
    torch.testing.assert_close(u, support.shared(network, images).states)
    norm = block.before_feed_forward
    found = norm.directions(u)
    expected = (x + attended).flatten(0, 1)
    expected = expected - expected.mean(dim=1, keepdim=True)
    torch.testing.assert_close(nn.functional.normalize(found), nn.functional.normalize(expected))


def test_images_are_cut_and_joined():
    grid = Grid(channels=3, side=2, rows=2, columns=3)
    images = torch.randn(4, 3, 4, 6)
    assert torch.equal(grid.joined(grid.cut(images)), images)
    assert torch.equal(grid.cut(images)[0, 4], images[0, :, 2:4, 2:4].flatten())


def test_other_models_are_refused():
    with pytest.raises(VictimError, match=r"the model is a Linear without a convolution"):
        first_block(nn.Linear(2, 2))
    stem = [ConvStemConfig(8, 3, 2)]
    with pytest.raises(VictimError, match=r"conv_bn_relu_0\.0 is Conv2d"):
        first_block(VisionTransformer(8, 2, 1, 2, 8, 16, conv_stem_configs=stem))
    network = support.model()
    network.encoder.layers[0].ln_2.weight.data[3] = 0
    with pytest.raises(VictimError, match="has a weight of 0"):
        first_block(network)


def altered(part, module):
    network = support.model()
    parent, _, name = part.rpartition(".")
    setattr(network.get_submodule(parent), name, module.double())
    return network


LAYER = "encoder.layers.encoder_layer_0"


@pytest.mark.parametrize(
    ("part", "module", "message"),
    [
        ("conv_proj", nn.Conv2d(3, 64, 2, 4, dilation=2), "expected kernel and stride of .* 2,"),
        ("conv_proj", nn.Conv2d(3, 64, 4, 4, padding=1), "without padding"),
        ("conv_proj", nn.Conv2d(3, 64, 3, 3), "images of 8 x 8 .* patches of 3"),
        (f"{LAYER}.ln_1", nn.LayerNorm(64, bias=False), "ln_1, a norm of .* with weight and bias"),
        (f"{LAYER}.ln_2", nn.RMSNorm(64), "no LayerNorm stands directly before"),
        (f"{LAYER}.ln_2", nn.LayerNorm(64, elementwise_affine=False), "ln_2, a norm"),
        (
            f"{LAYER}.self_attention",
            nn.MultiheadAttention(64, 4, add_zero_attn=True, batch_first=True),
            "with tokens of its own",
        ),
    ],
)
def test_first_blocks_of_another_form_are_refused(part, module, message):
    with pytest.raises(VictimError, match=message):
        first_block(altered(part, module))


def test_patches_without_a_gradient_are_refused():
    check_patches_are_seen(support.model(pooled=False))
    check_patches_are_seen(support.model(pooled=True, layers=1))
    with pytest.raises(VictimError, match="patches get no gradient"):
        check_patches_are_seen(support.model(pooled=False, layers=1))


def test_a_frozen_projection_is_refused():
    network = support.model()
    gradients = support.shared(network, support.noise_images(2)).gradients
    del gradients["conv_proj.weight"]
    with pytest.raises(InvalidObservation, match=r"conv_proj\.weight has no gradient"):
        shared_rows(gradients, first_block(network), 2)
