"""Positions and pixels of tokens whose feed-forward inputs are known."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import vision as support

from spear.data.cifar10 import CIFAR10
from spear.networks import vit
from spear.vision.limits import most_images
from spear.vision.proof import evidence
from spear.vision.whole_images import put_together


def true_patches(block, images):
    """Patches of the images in the order of the tokens, with zeros for the class tokens."""
    cut = block.grid.cut(images)
    return torch.cat([torch.zeros_like(cut[:, :1]), cut], dim=1).flatten(0, 1)


@settings(max_examples=6)
@given(seed=st.integers(0, 10), pooled=st.booleans(), spread=st.sampled_from([0.0, 0.3]))
@pytest.mark.parametrize("batch", [1, 3])
def test_patches_positions_and_attention_are_exact(batch, seed, pooled, spread):
    network = support.model(seed=seed, pooled=pooled, spread=spread)
    told = support.shared(network, support.noise_images(batch, seed=seed))
    block, found = support.solved(network, told)
    places = torch.arange(len(told.states)) % (block.grid.patches + 1)
    assert torch.equal(found.placed.positions, places)
    assert found.placed.residuals.max() < 1e-6
    assert found.placed.runners_up.min() > 0.03
    torch.testing.assert_close(found.patches, true_patches(block, told.images), atol=1e-6, rtol=0)
    attention = network.encoder.layers[0].self_attention
    h = block.before_attention(found.inputs).unflatten(0, (batch, -1))
    expected = attention(h, h, h, need_weights=False)[0].flatten(0, 1)
    given_out = found.attended @ block.out_weight.T + block.out_bias
    torch.testing.assert_close(given_out, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("over", "exact"), [(0, True), (1, False)])
def test_the_limit_is_sharp(over, exact):
    network = support.model(width=64)
    batch = most_images(64, 4, 48) + over
    told = support.shared(network, support.noise_images(batch))
    block, found = support.solved(network, told)
    errors = (found.patches - true_patches(block, told.images)).norm(dim=1)
    assert bool((errors < 1e-3).all()) == exact


def test_the_order_of_tokens_does_not_matter_and_one_is_solved_without_the_others():
    network = support.model(spread=0.3)
    told = support.shared(network, support.noise_images(3))
    _, found = support.solved(network, told)
    order = torch.tensor([7, 2, 11])
    _, few = support.solved(network, told, told.states[order])
    torch.testing.assert_close(few.patches, found.patches[order])
    assert torch.equal(few.placed.positions, found.placed.positions[order])


def test_a_mixture_of_two_tokens_fits_no_position():
    network = support.model(spread=0.3)
    told = support.shared(network, support.noise_images(2))
    _, found = support.solved(network, told, told.states[:4] + told.states[1:5])
    assert found.placed.residuals.min() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "right"), [(42, True), (43, False)])
def test_photographs_are_exact_at_the_limit_and_not_beyond(data_root, batch, right):
    """d = 384, 4 patches, true states in float64: 42 x 9 + 3 = 381 <= 384 + 5."""
    network = vit((3, 32, 32), 10, patch=16, head="mean").double()
    drawn = CIFAR10(data_root).batch(batch, torch.Generator().manual_seed(0))
    told = support.shared(network, drawn.inputs, drawn.labels)
    block, tokens = support.solved(network, told)
    images = put_together(block, tokens, batch).images
    distances = (images[:, None] - told.images).abs().amax(dim=(2, 3, 4))
    assert bool(distances.amin(dim=0).max() < 1e-9) == right
    passes = support.passes_of(network)
    found = evidence(passes, passes.supposed(images, told.gradients), told.gradients)
    assert (found.misfit < 1e3) == right
    assert found.exact <= right
