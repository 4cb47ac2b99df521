"""The row cascade: it peels whatever patterns allow, names true directions only, and is cheap."""

import pytest
import torch
from support.patterns import update_of_pattern
from support.problems import factorized, make_problem, picture_problem
from torch import Tensor

from spear.data.embedded import Faces
from spear.inversion import SpearIrls
from spear.inversion.descent.cascade import Cascade
from spear.inversion.descent.rounds import Settings
from spear.inversion.factors.gram import unit
from spear.reconstruction import Status

REPEATS = 12
"""Neurons of each pattern: more than samples, so that zeros determine directions."""


def staircase(b: int) -> Tensor:
    """Neurons active for the first k samples, and for the last k, k = 1..b."""
    upper = torch.ones(b, b, dtype=torch.bool).triu()
    return torch.cat([upper.T, upper[1:]]).repeat(REPEATS, 1)


def are_true(directions: Tensor, left: Tensor, gradients: Tensor) -> bool:
    true = unit(torch.linalg.lstsq(left, gradients).solution.T)
    return bool(((directions @ true.T).abs().amax(dim=1) > 1 - 1e-9).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("b", [3, 5, 20])
def test_samples_that_become_single_one_after_the_other_are_all_found(
    b: int, dtype: torch.dtype
) -> None:
    update = update_of_pattern(staircase(b), 2 * b, dtype)
    problem = factorized(update.observation)
    found = Cascade(problem)()
    assert len(found) == b
    assert are_true(found.directions, problem.left, update.gradients[problem.active])


def test_without_a_single_row_nothing_is_found() -> None:
    b = 6
    pairs = torch.combinations(torch.arange(b))
    patterns = torch.zeros(len(pairs), b, dtype=torch.bool)
    patterns[torch.arange(len(pairs))[:, None], pairs] = True
    update = update_of_pattern(patterns.repeat(REPEATS, 1), 2 * b, equal=True)
    assert len(Cascade(factorized(update.observation))()) == 0


@pytest.mark.parametrize("seed", range(6))
def test_what_is_found_is_true(seed: int) -> None:
    """Most rows have several samples here, and only some have one."""
    drawn = make_problem(8, m=80, n=40, dtype=torch.float32, seed=seed)
    problem = factorized(drawn.observation)
    found = Cascade(problem)()
    gradients = drawn.truth.activation_gradients.double()[problem.active]
    assert len(found) > 0
    assert are_true(found.directions, problem.left, gradients)


@pytest.mark.parametrize("seed", range(3))
def test_pixels_at_a_width_beyond_most_descents_are_found_and_true(seed: int) -> None:
    drawn = picture_problem(Faces(normalize=False), 60, m=600, seed=seed)
    problem = factorized(drawn.observation)
    found = Cascade(problem)()
    gradients = drawn.truth.activation_gradients.double()[problem.active]
    assert len(found) >= 58
    assert are_true(found.directions, problem.left, gradients)


def test_at_the_end_of_the_time_it_returns_what_it_has_found() -> None:
    update = update_of_pattern(staircase(20), 40)
    problem = factorized(update.observation)
    looks = iter([False, False, True])
    found = Cascade(problem, lambda: next(looks))()
    assert 0 < len(found) < 20
    assert are_true(found.directions, problem.left, update.gradients[problem.active])


def test_a_time_limit_ends_an_attack_within_its_cascade() -> None:
    """The cascade alone finds all of this batch, and takes longer than that."""
    problem = picture_problem(Faces(normalize=False), 60, m=600)
    result = SpearIrls(time_limit=1e-3)(problem.observation)
    assert result.status is Status.TIMED_OUT
    assert result.details == {"rounds": 1, "starts": 0, "certified": 0}


def test_a_batch_of_pixels_needs_no_start() -> None:
    problem = picture_problem(Faces(normalize=False), 40, m=600)
    result = SpearIrls(time_limit=None, max_starts=1)(problem.observation)
    assert result.status is Status.EXACT
    assert result.details["starts"] == 0
    without = SpearIrls(time_limit=None, max_starts=1, settings=Settings(cascade=False))
    assert without(problem.observation).details["starts"] > 0


def test_without_a_find_the_search_is_the_one_without_the_cascade() -> None:
    problem = make_problem(26, m=260, n=300, dtype=torch.float32)
    assert len(Cascade(factorized(problem.observation))()) == 0
    results = [
        SpearIrls(settings=Settings(cascade=cascade))(problem.observation)
        for cascade in (True, False)
    ]
    assert results[0].status is Status.EXACT
    assert torch.equal(results[0].inputs, results[1].inputs)
    assert results[0].details == results[1].details
