"""Algorithm 1 to the letter: no step of ours is in it, and each can be put in by itself."""

import math

import pytest
import torch
from scipy.stats import chi2_contingency
from support.problems import (
    factorized,
    make_problem,
    picture_problem,
    sine_distance,
    unit_columns,
)
from support.recovery import errors, generator, nested_mixture, nested_problem, true_directions

from spear.data.embedded import Digits
from spear.errors import ConfigError
from spear.inversion import SpearPaper
from spear.inversion.directions.selection import greedy_filter
from spear.inversion.directions.zeros import zero_pattern
from spear.inversion.sampling import AsDrawn, Determined, Refitted
from spear.inversion.sampling.algorithm import FIRST_CHUNK, GROWTH
from spear.inversion.sampling.samplers import IndependentSvdSampler, independent_subsets
from spear.reconstruction import Status

STEPS = [AsDrawn(), Refitted(), Determined()]


def test_subsets_are_independent():
    """Neighbours of a permutation never share a row; independent ones do as chance has it."""
    subsets = independent_subsets(6, 1, 20_000, generator())[:, 0]
    table = torch.zeros(6, 6)
    table.index_put_((subsets[::2], subsets[1::2]), torch.ones(10_000), accumulate=True)
    assert chi2_contingency(table.numpy()).pvalue > 1e-4
    wide = independent_subsets(9, 4, 50, generator())
    assert all(len(set(each)) == 4 for each in wide.tolist())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_result_is_the_plain_formula_of_kernels_as_drawn(dtype):
    """Q = Qbar diag(Qbar^-1 L^+ dL/db), X^T = Q^-1 R, and each column is a submatrix's kernel."""
    given = picture_problem(Digits(), 4)
    found = SpearPaper(dtype=dtype, time_limit=10.0)(given.observation, seed=1)
    problem = factorized(given.observation)
    left, random = problem.left.to(getattr(torch, dtype)), generator(1)
    drawn, count = torch.empty(0, 4), FIRST_CHUNK
    while len(drawn) < found.submatrices:
        chunk = IndependentSvdSampler().draw(left, count, random)
        drawn, count = torch.cat([drawn.double(), chunk.double()]), math.ceil(GROWTH * count)
    directions = unit_columns(found.disaggregation)
    assert sine_distance(drawn.T, directions).amin(dim=0).max() < 1e-12
    scales = torch.linalg.solve(
        directions,
        torch.linalg.pinv(problem.left)
        @ (given.observation.bias_gradient[problem.active].double()),
    )
    inputs = torch.linalg.solve(directions * scales, problem.right)
    assert torch.allclose(found.inputs, inputs, rtol=0, atol=1e-9)


def test_a_batch_of_four_pictures_is_found():
    given = picture_problem(Digits(), 4)
    found = SpearPaper(time_limit=10.0)(given.observation)
    assert found.status is Status.EXACT
    assert 1e-12 < errors(found, given.truth.inputs).max() < 1e-2


def test_the_refit_brings_the_inputs_nearer():
    given = picture_problem(Digits(), 4)
    drawn, refitted = (
        errors(
            SpearPaper(candidates=each, time_limit=10.0)(given.observation), given.truth.inputs
        ).max()
        for each in (AsDrawn(), Refitted())
    )
    assert refitted < drawn


def test_only_the_leverage_test_refuses_a_mixture():
    problem, true = true_directions(nested_problem())
    mixture = nested_mixture(problem, true, 0, 2)
    for each in STEPS:
        pool = each.pool(each.tested(problem), 0.5)
        pool.required = problem.b
        assert pool.add(mixture[None]) == (not isinstance(each, Determined)), each


def test_the_sparsest_version_of_a_direction_is_kept():
    problem, true = true_directions(make_problem(4))
    problem = AsDrawn().tested(problem)
    pool = AsDrawn().pool(problem, 1e-5)
    pool.required = 5
    rough = unit_columns(true[:, :1] + 3e-5 * true[:, 1:2])
    pool.directions = rough
    assert pool.add(true[:, :1].T)
    assert len(pool) == 1
    assert sine_distance(pool.directions, true[:, :1]).item() < 1e-12


def test_one_tolerance_is_for_all_entries():
    found = factorized(make_problem(4).observation)
    problem = AsDrawn(zero_tolerance=0.5).tested(found)
    directions = unit_columns(torch.randn(4, 7, generator=generator(), dtype=torch.float64))
    assert torch.equal(zero_pattern(problem, directions), (problem.left @ directions).abs() <= 0.5)
    with pytest.raises(ConfigError, match=r"^zero_tolerance is 0"):
        AsDrawn(zero_tolerance=0.0)


def test_the_true_directions_have_lambda_one():
    problem, true = true_directions(make_problem(4))
    assert greedy_filter(AsDrawn().tested(problem), true, swaps=False).status is Status.EXACT
