"""The noisy mode of Algorithm 1 to the letter: its zero test, its rank test, and what it finds."""

from dataclasses import replace

import pytest
import torch
from support.problems import (
    factorized,
    make_problem,
    picture_problem,
    sine_distance,
    true_disaggregation,
    unit_columns,
)
from support.recovery import generator

from spear.client.client import Client
from spear.client.defenses import NoiseOnEachExample
from spear.data.embedded import Faces
from spear.errors import ConfigError
from spear.inversion import SpearPaperNoisy
from spear.inversion.directions.zeros import zero_pattern
from spear.inversion.sampling.overdetermined import LeverageKernels, svd_kernels
from spear.inversion.sampling.paper_noisy import of_papers_factor, of_rank_below
from spear.reconstruction import Status
from spear.scoring import truth_of

TOLERANCE = 3e-4


def test_the_zero_test_is_that_of_the_papers_factor():
    """|U S^1/2 q| <= t of unit vectors q, as Theorem 3.1 prints L."""
    problem = factorized(picture_problem(Faces(), 4).observation)
    loose = replace(problem, noise=of_papers_factor(problem, TOLERANCE))
    ours = unit_columns(torch.randn(4, 500, generator=generator(), dtype=torch.float64))
    left, roots = problem.left, problem.singular_values.sqrt()
    papers = unit_columns(ours / roots[:, None])
    entries = (left / len(left) ** 0.5 * roots) @ papers
    found = zero_pattern(loose, ours)
    assert torch.equal(found, entries.abs() <= TOLERANCE)
    assert 0 < found.double().mean() < 1


@pytest.mark.parametrize(("rank", "kept"), [(2, False), (3, True), (4, False)])
def test_only_rank_b_minus_1_is_kept(rank, kept):
    problem = factorized(make_problem(b=4, m=60, n=90).observation)
    loose = replace(problem, noise=of_papers_factor(problem, TOLERANCE))
    factors = torch.randn(20, 5, rank, generator=generator(), dtype=torch.float64)
    matrices = factors @ torch.randn(20, rank, 4, generator=generator(1), dtype=torch.float64)
    directions, tolerances = of_rank_below(loose, svd_kernels(matrices))
    assert len(directions) == (20 if kept else 0)
    deviations = loose.noise.deviation(directions.T).square().mean(dim=0).sqrt()
    torch.testing.assert_close(tolerances, deviations)


@pytest.mark.parametrize("kernels", [None, LeverageKernels()])
def test_a_noisy_batch_is_found(kernels):
    given = picture_problem(Faces(), 4)
    client = Client(given.network, defense=NoiseOnEachExample(1.0, 1e-5))
    observation = client.share(given.batch, generator()).observe(1)
    attack = SpearPaperNoisy(kernels=kernels, zero_tolerance=TOLERANCE, time_limit=10.0)
    found = attack(observation, seed=1)
    assert found.status == Status.APPROXIMATE
    problem = factorized(observation)
    true = unit_columns(true_disaggregation(problem, truth_of(client, given.batch, 1)))
    assert sine_distance(unit_columns(found.disaggregation), true).amin(dim=0).max() < 0.2


def test_it_is_never_exact():
    """A loose zero test proves nothing, although the update has no noise and all of it matches."""
    observation = picture_problem(Faces(), 4).observation
    attack = SpearPaperNoisy(zero_tolerance=1e-7, stop_at=1.0, time_limit=10.0)
    found = attack(observation)
    assert found.sparsity_matching == 1.0
    assert found.status == Status.APPROXIMATE


def test_the_search_ends_at_its_lambda():
    observation = picture_problem(Faces(), 4).observation
    searches = [
        SpearPaperNoisy(zero_tolerance=TOLERANCE, stop_at=stop_at, max_submatrices=2_000)
        for stop_at in (0.9, 1.0)
    ]
    early, late = (search(observation, seed=1) for search in searches)
    assert early.submatrices < late.submatrices == 2_000
    assert early.sparsity_matching >= 0.9
    assert late.sparsity_matching < 1


@pytest.mark.parametrize(
    ("setting", "value"), [("zero_tolerance", 0.0), ("stop_at", 0.0), ("stop_at", 1.5)]
)
def test_bad_values_are_refused_by_name(setting, value):
    with pytest.raises(ConfigError, match=setting):
        SpearPaperNoisy(**{setting: value})
