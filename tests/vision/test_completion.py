"""Missing tokens, told by the equations of their positions."""

import pytest
import torch
from support import vision as support

from spear.budget import Budget
from spear.inversion.pair.backward import samples_of_rows
from spear.transformer.blocks import block_at
from spear.vision.completion import completed
from spear.vision.first_block import first_block
from spear.vision.layout import example
from spear.vision.open_directions import Positioning
from spear.vision.shared_rows import shared_rows
from spear.vision.states import feed_forward_states
from spear.vision.token_count import token_problem
from spear.vision.token_equations import token_equations

TOKENS = 5


def case(batch, spread=0.0):
    """A test of positions, the true tokens as samples, and their states."""
    network = support.model(width=96, spread=spread)
    told = support.shared(network, support.noise_images(batch))
    problem = token_problem(block_at(network, 0, example(network)).observed(told.gradients), TOKENS)
    rows = torch.linalg.lstsq(problem.first.right.T, told.states.T).solution.T
    block = first_block(network)
    systems = token_equations(block, shared_rows(told.gradients, block, batch))
    test = Positioning(problem, block, systems)
    return test, samples_of_rows(problem, rows)[0], told.states


def distances(test, rows, states):
    """Relative distance of each true state from the nearest found."""
    found = rows @ test.problem.first.right
    return torch.cdist(states, found).amin(dim=1) / states.norm(dim=1)


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_all_tokens_of_one_image_are_told_without_a_search(spread):
    test, true, states = case(1, spread)
    rows = completed(test, true[:0])
    assert len(rows) == TOKENS
    assert distances(test, rows, states).max() < 1e-8
    found = feed_forward_states(test.problem, test, Budget(0.0))
    assert len(found.inputs) == TOKENS
    assert (torch.cdist(states, found.inputs).amin(dim=1)).max() < 1e-6


@pytest.mark.parametrize("missing", [[0], [1, 4], [0, 6, 7, 3, 9]])
def test_one_token_of_each_position_may_be_missing(missing):
    test, true, states = case(2, 0.1)
    known = [i for i in range(2 * TOKENS) if i not in missing]
    rows = completed(test, true[known])
    assert len(rows) == 2 * TOKENS
    assert distances(test, rows, states).max() < 1e-7


def test_two_missing_tokens_of_one_position_are_not_told():
    test, true, _ = case(2)
    assert completed(test, true[[i for i in range(2 * TOKENS) if i % TOKENS != 3]]) is None
    assert completed(test, true[:0]) is None


def test_a_mixture_among_the_known_is_found_anew():
    test, true, states = case(2)
    mixed = (true.rows[1] + true.rows[2]) / 2
    wrong = samples_of_rows(test.problem, torch.cat([true.rows[:1], mixed[None], true.rows[3:]]))[0]
    rows = completed(test, wrong)
    assert len(rows) == 2 * TOKENS
    assert distances(test, rows, states).max() < 1e-7


def test_tokens_of_another_number_of_images_are_not_told():
    test, true, _ = case(2)
    assert completed(test, true.and_others(true[:1])) is None
