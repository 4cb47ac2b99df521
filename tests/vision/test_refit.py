"""The refit of a batch, and what makes its steps converge."""

import pytest
import torch
from support import vision as support

from spear.budget import Budget
from spear.data.cifar10 import CIFAR10
from spear.networks import vit
from spear.reconstruction import Status
from spear.seeding import Stream, batch_generator
from spear.vision.first_block import first_block
from spear.vision.passes import Batch
from spear.vision.preconditioner import Preconditioner
from spear.vision.recovery import recover
from spear.vision.refit import ITERATIONS, _conjugate_gradients, _Linearised, refit


def around_a_batch():
    network = support.model()
    told = support.shared(network, support.noise_images(3))
    passes = support.passes_of(network)
    batch = passes.supposed(told.images, told.gradients)
    return batch, Preconditioner(
        first_block(network), passes, batch, dict.fromkeys(told.gradients, 1.0)
    )


def product(one, other):
    return float(sum((a * b).sum() for a, b in zip(one, other, strict=True)))


def test_the_preconditioner_is_symmetric_and_positive():
    batch, nearly = around_a_batch()
    generator = torch.Generator().manual_seed(1)
    one, other = (
        [
            torch.randn(each.shape, generator=generator, dtype=torch.float64)
            for each in (batch.images, batch.outputs)
        ]
        for _ in range(2)
    )
    assert product(nearly(one), other) == pytest.approx(product(one, nearly(other)), rel=1e-6)
    assert product(nearly(one), one) > 0
    assert product(nearly(other), other) > 0


def test_portions_go_on_where_the_last_one_ended():
    """Singular values over two powers of ten: one portion leaves a part, which later ones solve."""
    generator = torch.Generator().manual_seed(0)
    left, right = (
        torch.linalg.qr(torch.randn(size, 80, generator=generator, dtype=torch.float64))[0]
        for size in (200, 80)
    )
    matrix = left * torch.logspace(0, -2, 80, dtype=torch.float64) @ right.T
    wanted = torch.randn(80, generator=generator, dtype=torch.float64)
    residual = -matrix @ wanted
    at = _Linearised(
        lambda vectors: [vectors[0].double() @ matrix],
        lambda vectors: [matrix @ vectors[0].double()],
        lambda vectors: vectors,
    )
    portions = list(_conjugate_gradients(at, [residual], Budget()))
    assert len(portions) > 2
    errors = [float((step - wanted).norm() / wanted.norm()) for (step,), _ in portions]
    actual = [float((residual + matrix @ step).square().sum()) for (step,), _ in portions]
    assert portions[0][1] == pytest.approx(actual[0], rel=1e-3)
    assert errors[0] > 0.1
    assert errors[-1] < 1e-2
    assert ITERATIONS < 80


def test_a_refit_that_cannot_be_factorised_keeps_the_batch():
    network = support.model()
    told = support.shared(network, support.noise_images(2))
    passes = support.passes_of(network)
    batch = passes.supposed(told.images, told.gradients)
    batch = Batch(batch.images * float("nan"), batch.outputs)
    assert refit(first_block(network), passes, batch, told.gradients, Budget(60.0)) is batch


@pytest.mark.slow
def test_photographs_with_flat_patches_are_refitted_to_rounding(data_root):
    """One patch is off by 4e-3 before the refit, along the lengths of its image's tokens."""
    batch = CIFAR10(data_root).batch(4, batch_generator(0, 1, Stream.DATA))
    network = vit((3, 32, 32), 10)
    told = support.shared(network, batch.inputs, batch.labels)
    found = recover(network, told.gradients, Budget(400.0))
    assert found.status is Status.EXACT
    distances = (found.images[:, None] - batch.inputs.double()).abs().amax(dim=(2, 3, 4))
    assert distances.amin(dim=0).max() < 1e-2
