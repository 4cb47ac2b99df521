"""Tokens are joined to the images that they come from."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import vision as support

from spear.vision.joining import join
from spear.vision.membership import links
from spear.vision.whole_images import whole_images


@settings(max_examples=2)
@given(seed=st.integers(0, 20))
@pytest.mark.parametrize(("pooled", "batch"), [(True, 4), (False, 3), (True, 1)])
def test_every_image_is_whole_and_pure(seed, pooled, batch):
    network = support.model(pooled=pooled, seed=seed, spread=0.1)
    told = support.shared(network, support.noise_images(batch, seed=seed))
    order = torch.randperm(len(told.states), generator=torch.Generator().manual_seed(seed))
    block, tokens = support.solved(network, told, told.states[order])
    groups = join(links(block, tokens, batch), tokens.placed.positions)
    found = {tuple(sorted(order[list(each.members.values())].tolist())) for each in groups}
    assert found == {tuple(range(5 * image, 5 * image + 5)) for image in range(batch)}


def test_links_of_one_image_are_strong_and_others_speak_against():
    network = support.model(spread=0.1)
    told = support.shared(network, support.noise_images(3))
    block, tokens = support.solved(network, told)
    found = links(block, tokens, 3)
    image = torch.arange(15) // 5
    patch = torch.arange(15) % 5 > 0
    other_place = torch.arange(15)[:, None] % 5 != torch.arange(15) % 5
    asked = other_place & patch & patch[:, None]
    same = image == image[:, None]
    assert found[asked & same].min() > 5
    assert found[asked & ~same].max() < 5
    assert torch.equal(found[~other_place], torch.zeros(int((~other_place).sum())).double())


def test_the_strongest_links_win_and_no_position_occurs_twice():
    strength = torch.zeros(4, 4)
    for one, other, value in [(0, 1, 9.0), (0, 2, 20.0), (1, 3, 7.0), (2, 3, 4.0)]:
        strength[one, other] = strength[other, one] = value
    groups = join(strength, torch.tensor([1, 2, 2, 1]))
    assert [each.members for each in groups] == [{1: 0, 2: 2}, {1: 3, 2: 1}]


def test_without_tokens_there_are_no_images():
    network = support.model()
    told = support.shared(network, support.noise_images(2))
    block, tokens = support.solved(network, told, told.states[:0])
    assert whole_images(block, tokens, 2).shape == (0, 3, 8, 8)
