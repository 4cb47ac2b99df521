"""States between tokens that are nearly equal, and the positions that tell them apart."""

import pytest
import torch
from support import vision as support

from spear.transformer.blocks import block_at
from spear.vision.first_block import first_block
from spear.vision.layout import example
from spear.vision.open_directions import Positioning
from spear.vision.shared_rows import shared_rows
from spear.vision.token_count import token_problem
from spear.vision.token_equations import token_equations

TWINS = 1, 2
"""Tokens of the first two patches of the first image, which are nearly equal."""


def alike(distance):
    """A test of positions, true rows of all tokens and their states; two tokens are alike."""
    network = support.model()
    images = support.noise_images(2)
    images[0, :, :4, 4:] = images[0, :, :4, :4] + distance * images[1, :, :4, :4]
    told = support.shared(network, images)
    problem = token_problem(block_at(network, 0, example(network)).observed(told.gradients), 5)
    rows = torch.linalg.lstsq(problem.first.right.T, told.states.T).solution.T
    block = first_block(network)
    systems = token_equations(block, shared_rows(told.gradients, block, 2))
    return Positioning(problem, block, systems), rows, told.states


def test_true_rows_are_tokens_as_they_are():
    test, rows, _ = alike(1e-2)
    kept, corrected = test.sorted_out(rows)
    assert kept.tolist() == list(range(10))
    assert len(corrected) == 0


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_between_two_twins_both_are_found(share):
    test, rows, states = alike(1e-2)
    one, other = TWINS
    between = rows[one] + share * (rows[other] - rows[one])
    kept, corrected = test.sorted_out(torch.cat([between[None], rows[3:]]))
    assert kept.tolist() == list(range(1, 8))
    distances = torch.cdist(corrected @ test.problem.first.right, states)
    assert sorted(distances.argmin(dim=1).tolist()) == [one, other]
    apart = (states[one] - states[other]).norm()
    assert distances.amin(dim=1).max() < 0.02 * apart


def test_a_known_twin_is_not_found_again():
    test, rows, states = alike(1e-2)
    one, other = TWINS
    between = (rows[one] + rows[other]) / 2
    kept, corrected = test.sorted_out(torch.cat([rows[[one]], between[None]]))
    assert kept.tolist() == [0]
    assert len(corrected) == 1
    found = torch.cdist(corrected @ test.problem.first.right, states)
    assert int(found.argmin()) == other


def test_a_mixture_of_unlike_tokens_is_none():
    test, rows, _ = alike(1e-2)
    kept, corrected = test.sorted_out(((rows[4] + rows[8]) / 2)[None])
    assert len(kept) == len(corrected) == 0
