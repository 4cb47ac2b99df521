"""Tokens are joined to the images that they come from."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import vision as support

from spear.vision.joining import join
from spear.vision.membership import links
from spear.vision.whole_images import put_together


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


def test_without_tokens_all_images_are_gaps():
    network = support.model()
    told = support.shared(network, support.noise_images(2))
    block, tokens = support.solved(network, told, told.states[:0])
    puzzle = put_together(block, tokens, 2)
    assert puzzle.whole == 0
    assert torch.equal(puzzle.images, torch.zeros(2, 3, 8, 8).double())
    assert not puzzle.known.any()


def test_whole_images_come_first_and_missing_patches_are_gaps():
    network = support.model(spread=0.1)
    told = support.shared(network, support.noise_images(3))
    kept = [each for each in range(15) if each not in (2, 9)]
    block, tokens = support.solved(network, told, told.states[kept])
    puzzle = put_together(block, tokens, 3)
    assert puzzle.whole == 1
    assert puzzle.known.sum(dim=1).tolist() == [4, 3, 3]
    torch.testing.assert_close(puzzle.images[0], told.images[2], atol=1e-6, rtol=0)
    gaps = block.grid.cut(puzzle.images)[~puzzle.known]
    assert not gaps.any()
    for image, known in zip(puzzle.images[1:], puzzle.known[1:], strict=True):
        rows = block.grid.cut(image[None])[0, known]
        true = block.grid.cut(told.images[:2])[:, known]
        assert (rows - true).abs().amax(dim=(1, 2)).min() < 1e-6


def test_joining_goes_on_from_groups_that_are_known():
    """Later evidence against a known group does not part it, and joins what is left."""
    positions = torch.tensor([0, 1, 0, 1])
    first = torch.zeros(4, 4)
    first[0, 1] = first[1, 0] = 50.0
    known = join(first, positions)
    later = torch.zeros(4, 4)
    later[0, 3] = later[3, 0] = 80.0
    later[2, 3] = later[3, 2] = 20.0
    groups = join(later, positions, known)
    assert [sorted(each.members.items()) for each in groups] == [[(0, 0), (1, 1)], [(0, 2), (1, 3)]]
    alone = join(later, positions)
    assert {0: 0, 1: 3} in [each.members for each in alone]
