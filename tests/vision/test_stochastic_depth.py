"""Stochastic depth, as timm and torchvision train with it: branches of samples are left out."""

import pytest
import torch
from support import vision as support
from support.timm_like import TimmLike
from torch import nn
from torchvision.ops import StochasticDepth

from spear.budget import Budget
from spear.reconstruction import Status
from spear.scoring import match
from spear.vision.recovery import recover

IMAGES = 3


def trained_with(block: int, seed: int) -> tuple[nn.Module, dict[str, torch.Tensor], torch.Tensor]:
    """A network with stochastic depth in one block, a gradient in training mode, and the images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TimmLike().double()
        network.blocks[block].ls2 = StochasticDepth(0.5, "row")
        images = support.noise_images(IMAGES).double()
        outputs = network.train()(images)
        nn.functional.cross_entropy(outputs, torch.tensor([1, 4, 2])).backward()
    gradients = {name: each.grad for name, each in network.named_parameters()}
    return network, gradients, images


@pytest.mark.parametrize("seed", range(4))
def test_images_are_whole_if_the_first_block_is_always_passed(seed):
    """timm's rates grow from 0 at the first block."""
    network, gradients, images = trained_with(1, seed)
    found = recover(network.eval(), gradients, Budget(60.0))
    assert found.status is not Status.EXACT
    assert len(found.images) == IMAGES
    order = match(found.images.flatten(1), images.flatten(1))
    assert (found.images[order] - images).abs().max() < 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_an_image_that_leaves_the_first_block_out_is_never_made_up(seed):
    network, gradients, _ = trained_with(0, seed)
    found = recover(network.eval(), gradients, Budget(60.0))
    assert found.status is not Status.EXACT
