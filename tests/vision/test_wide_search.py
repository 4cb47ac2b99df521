"""Starts of the search for tokens: near until a round is in vain, then far."""

import torch
from support import vision as support

from spear.inversion.pair.rows import RowSpace
from spear.inversion.pair.starts import random_starts
from spear.transformer.blocks import block_at
from spear.vision.layout import example
from spear.vision.token_count import token_problem
from spear.vision.wide_search import WideEngine, far_starts, token_search


def problem_of(batch):
    network = support.model()
    told = support.shared(network, support.noise_images(batch))
    pair = block_at(network, 0, example(network)).observed(told.gradients)
    return told, token_problem(pair, 5)


def all_fit(rows):
    return torch.ones(len(rows), dtype=torch.bool)


def test_starts_lie_further_out_after_a_round_in_vain():
    _, problem = problem_of(2)
    engine, generator = WideEngine(), torch.Generator().manual_seed(0)
    assert engine.starts is random_starts
    found, _ = engine.search(problem, generator, slack=0.0)  # nothing passes
    assert len(found) == 0
    assert engine.starts is far_starts
    found, _ = engine.search(problem, generator)
    assert len(found) > 0


def test_far_starts_are_five_times_as_far():
    _, problem = problem_of(2)
    space = RowSpace.of(problem)
    near, far = (
        starts(problem, space, 8, torch.Generator().manual_seed(0))
        for starts in (random_starts, far_starts)
    )
    assert torch.allclose(far, 5 * near)


def test_all_tokens_are_found():
    told, problem = problem_of(3)
    search = token_search(problem, all_fit, 0)
    for _ in range(200):
        if search.solved:
            break
        search.round()
    states = search.known.rows @ problem.first.right
    distances = torch.cdist(states, told.states) / told.states.norm(dim=1)
    assert len(set(distances.argmin(dim=1).tolist())) == problem.b == 15
    assert distances.amin(dim=1).max() < 1e-6


def test_what_fits_no_position_is_not_taken_out():
    _, problem = problem_of(2)
    search = token_search(problem, lambda rows: ~all_fit(rows), 0)
    for _ in range(3):
        search.round()
    assert search.starts > 0
    assert len(search.known) == 0
