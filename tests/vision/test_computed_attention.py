"""Pixels of whole images, with the attention computed."""

import pytest
import torch
from support import vision as support

from spear.vision.computed_attention import with_attention
from spear.vision.first_block import first_block
from spear.vision.shared_rows import shared_rows
from spear.vision.whole_images import put_together


def case(dtype, pooled=True, batch=2):
    network = support.model(pooled=pooled, dtype=dtype, spread=0.1)
    told = support.shared(network, support.noise_images(batch))
    block = first_block(network)
    return told, block, shared_rows(told.gradients, block, batch).patches


def test_true_pixels_stay():
    told, block, rows = case(torch.float64)
    found = with_attention(block, rows, told.images, told.states)
    assert (found - told.images).abs().max() < 1e-9


@pytest.mark.parametrize("pooled", [True, False])
def test_wrong_pixels_become_right(pooled):
    told, block, rows = case(torch.float64, pooled)
    start = told.images + 1e-2 * support.noise_images(2, seed=3)
    found = with_attention(block, rows, start, told.states)
    assert (found - told.images).abs().max() < 1e-6


def test_pixels_are_sharper_than_with_an_open_attention():
    told, block, rows = case(torch.float32, batch=6)  # the limit is 7
    network = support.model(dtype=torch.float32, spread=0.1)
    _, tokens = support.solved(network, told)
    open_ = put_together(block, tokens, 6)
    assert open_.whole == 6
    found = with_attention(block, rows, open_.images, told.states)
    errors = [
        float(torch.cdist(each.flatten(1), told.images.double().flatten(1)).amin(dim=1).max())
        for each in (open_.images, found)
    ]
    assert errors[1] < 0.5 * errors[0], errors


def test_turns_that_do_not_settle_keep_the_images():
    told, block, rows = case(torch.float64)
    lost = torch.full_like(told.images, float("nan"))
    assert with_attention(block, rows, lost, told.states) is lost
