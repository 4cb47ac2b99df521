"""From a gradient to the images of its batch, and what is called exact."""

from dataclasses import replace

import pytest
import torch
from support import vision as support

import spear
from spear.budget import Budget
from spear.data.cifar10 import CIFAR10
from spear.errors import ConfigError, InvalidObservation, LayerError, VictimError
from spear.reconstruction import Status
from spear.scoring import match
from spear.vision.first_block import first_block
from spear.vision.limits import most_images
from spear.vision.proof import evidence
from spear.vision.recovery import recover
from spear.vision.refit import refit


def errors(found, told):
    """Largest error of each image found, to the image that it is nearest to."""
    distances = (found.images[:, None] - told.images.double()).abs().amax(dim=(2, 3, 4))
    assert len(set(distances.argmin(dim=1).tolist())) == len(distances)
    return distances.amin(dim=1)


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.few(2)
def test_all_images_are_found_and_proven(pooled, dtype):
    network = support.model(pooled=pooled, dtype=dtype)
    told = support.shared(network, support.noise_images(3), torch.tensor([1, 4, 4]))
    found = recover(network, told.gradients, Budget(60.0))
    assert found.status is Status.EXACT
    assert found.batch_size == len(found.images) == 3
    assert errors(found, told).max() < (1e-3 if dtype == torch.float32 else 1e-9)
    order = match(found.images.flatten(1), told.images.flatten(1).double())
    logits = network(told.images).softmax(dim=1)
    labels = (logits - 3 * found.output_gradients[order]).argmax(dim=1)
    assert torch.equal(labels, told.labels)


def noisy(gradients):
    generator = torch.Generator().manual_seed(0)
    return {
        name: each + 1e-4 * each.abs().mean() * torch.randn(each.shape, generator=generator)
        for name, each in gradients.items()
    }


def of_another_batch(name, network):
    other = support.shared(network, support.noise_images(3, seed=9)).gradients
    return lambda gradients: gradients | {name: other[name]}


HOSTILE = {
    "pruned": lambda network: (
        lambda given: {
            name: each * (each.abs() > 0.1 * each.abs().mean()) for name, each in given.items()
        }
    ),
    "noise": lambda network: noisy,
    "half precision": lambda network: (
        lambda given: {name: each.bfloat16().float() for name, each in given.items()}
    ),
    "another head": lambda network: of_another_batch("heads.head.weight", network),
    "another projection": lambda network: of_another_batch("conv_proj.weight", network),
    "another position": lambda network: of_another_batch("encoder.pos_embedding", network),
    "another last block": lambda network: of_another_batch(
        "encoder.layers.encoder_layer_1.mlp.3.bias", network
    ),
    "scaled bias": lambda network: (
        lambda given: given | {"conv_proj.bias": given["conv_proj.bias"] * 1.001}
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.few(1)
def test_an_altered_update_is_never_exact(kind):
    network = support.model(dtype=torch.float32)
    told = support.shared(network, support.noise_images(3))
    found = recover(network, HOSTILE[kind](network)(told.gradients), Budget(2.0))
    assert found.status is not Status.EXACT


@pytest.mark.parametrize("kind", ["an equal patch", "equal images", "flat images", "one flat"])
@pytest.mark.few(1)
def test_exact_images_are_right_when_images_are_alike(kind):
    network = support.model(dtype=torch.float32)
    images = support.noise_images(3)
    if kind == "equal images":
        images[1] = images[0]
    elif kind == "an equal patch":
        images[1, :, :4, :4] = images[0, :, :4, :4]
    elif kind == "flat images":
        images = images[:, :, :1, :1].expand(-1, -1, 8, 8).clone()
    else:
        images[2] = 0.3
    told = support.shared(network, images)
    found = recover(network, told.gradients, Budget(2.0))
    if found.status is Status.EXACT:
        distances = (found.images[:, None] - told.images.double()).abs().amax(dim=(2, 3, 4))
        assert distances.amin(dim=1).max() < 1e-2
        assert distances.amin(dim=0).max() < 1e-2


@pytest.mark.parametrize(("width", "heads", "limit"), [(32, 2, 3), (48, 2, 5), (64, 4, 7)])
def test_as_many_images_as_the_limit_tells_are_exact(width, heads, limit):
    assert most_images(width, 4, 48) == limit
    network = support.model(width=width, heads=heads)
    told = support.shared(network, support.noise_images(limit))
    found = recover(network, told.gradients, Budget(60.0))
    assert found.status is Status.EXACT
    distances = torch.cdist(found.images.flatten(1), told.images.flatten(1))
    assert distances.amin(dim=0).max() < 1e-6


def test_one_image_more_than_the_limit_is_not_exact():
    network = support.model(width=32, heads=2)
    told = support.shared(network, support.noise_images(4))
    found = recover(network, told.gradients, Budget(2.0))
    assert found.status is not Status.EXACT


def test_without_a_gradient_nothing_is_found():
    network = support.model()
    torch.nn.init.zeros_(network.heads.head.weight)
    told = support.shared(network, support.noise_images(2))
    found = recover(network, told.gradients, Budget(2.0))
    assert found.status is Status.ZERO_GRADIENT
    assert found.images.shape == (0, 3, 8, 8)


def test_a_batch_is_proven_only_by_its_own_update():
    network = support.model(dtype=torch.float32)
    told = support.shared(network, support.noise_images(3))
    passes = support.passes_of(network)
    true = evidence(passes, passes.supposed(told.images.double(), told.gradients), told.gradients)
    assert true.exact
    assert true.misfit < 4
    for change in (1e-3, 1e-4):
        images = told.images.double().clone()
        images[1, 0, 3, 3] += change
        other = passes.supposed(images, told.gradients)
        assert not evidence(passes, other, told.gradients).reproduced
    swapped = told.images.double().clone()
    swapped[:2, :, :4, :4] = swapped[:2, :, :4, :4].flip(0)
    other = passes.supposed(swapped, told.gradients)
    assert evidence(passes, other, told.gradients).misfit > 1e3


def test_a_patch_that_leaves_no_gradient_is_hidden():
    """An image of another's labels with a tiny weight: rounding hides it."""
    network = support.model(dtype=torch.float32)
    told = support.shared(network, support.noise_images(2))
    passes = support.passes_of(network)
    batch = passes.supposed(told.images.double(), told.gradients)
    faint = replace(batch, outputs=batch.outputs * torch.tensor([[1.0], [1e-7]]))
    gradients = {name: each.float() for name, each in passes.gradients(faint).items()}
    found = evidence(passes, faint, gradients)
    assert found.reproduced
    assert not found.exact


@pytest.mark.slow
def test_the_refit_finds_the_pixels_from_near_them():
    network = support.model(dtype=torch.float32)
    told = support.shared(network, support.noise_images(2))
    passes = support.passes_of(network)
    true = told.images.double()
    start = passes.supposed(true + 1e-4 * support.noise_images(1, seed=5), told.gradients)
    found = refit(first_block(network), passes, start, told.gradients, Budget())
    assert (found.images - true).abs().max() < 1e-4
    assert evidence(passes, start, told.gradients).misfit > 100
    assert evidence(passes, found, told.gradients).exact


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.few(1)
def test_photographs_are_exact(data_root, pooled):
    batch = CIFAR10(data_root).batch(4, torch.Generator().manual_seed(0))
    network = support.model(192, 16, 32, pooled, layers=4, heads=3, dtype=torch.float32)
    told = support.shared(network, batch.inputs, batch.labels)
    found = recover(network, told.gradients, Budget(120.0))
    assert found.status is Status.EXACT
    assert errors(found, told).max() < 1e-3


def test_the_call_reads_updates_as_clients_share_them():
    network = support.model(dtype=torch.float32)
    told = support.shared(network, support.noise_images(1))
    listed = [each.numpy() for each in told.gradients.values()]
    found = spear.recover_images(torch.nn.DataParallel(network), listed)
    assert found.status == "exact"
    assert errors(found, told).max() < 1e-4


def test_updates_that_do_not_fit_are_refused():
    network = support.model()
    gradients = support.shared(network, support.noise_images(1)).gradients
    with pytest.raises(VictimError, match="the model is a Linear"):
        spear.recover_images(torch.nn.Linear(2, 2), [torch.ones(2, 2), torch.ones(2)])
    with pytest.raises(ConfigError, match="time_limit"):
        spear.recover_images(network, gradients, time_limit=-1.0)
    broken = gradients | {"conv_proj.bias": gradients["conv_proj.bias"] * torch.nan}
    with pytest.raises(InvalidObservation, match=r"conv_proj\.bias"):
        spear.recover_images(network, broken)
    headless = {name: each for name, each in gradients.items() if name != "heads.head.bias"}
    with pytest.raises(InvalidObservation, match=r"heads\.head\.bias has no gradient"):
        spear.recover_images(network, headless)
    del gradients["encoder.layers.encoder_layer_0.mlp.0.weight"]
    with pytest.raises(LayerError, match="has no gradient"):
        spear.recover_images(network, gradients)
