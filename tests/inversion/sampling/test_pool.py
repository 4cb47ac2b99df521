"""The candidate pool: sparse directions, each once."""

import math

import torch
from support.problems import (
    factorized,
    make_problem,
    problem_of,
    sine_distance,
    unit_columns,
)
from support.recovery import generator, true_directions

from spear.inversion.directions.zeros import required_active_zeros, required_zeros
from spear.inversion.sampling.pool import CandidatePool


class TestCandidatePool:
    def test_each_direction_is_kept_once(self):
        problem, true = true_directions(make_problem(4))
        pool = CandidatePool(problem, 1e-5)
        assert pool.add(true.T)
        assert len(pool) == 4
        assert not pool.add(torch.cat([true.T, -true.T]))
        assert len(pool) == 4

    def test_mixtures_are_refused(self):
        problem, true = true_directions(make_problem(4))
        pool = CandidatePool(problem, 1e-5)
        weights = torch.randn(100, 4, generator=generator(), dtype=torch.float64)
        assert not pool.add(unit_columns(true @ weights.T).T)

    def test_not_a_number_is_refused(self):
        problem, true = true_directions(make_problem(4))
        pool = CandidatePool(problem, 1e-5)
        assert pool.add(torch.cat([true.T[:1] * math.nan, true.T[:1] * math.inf, true.T[1:2]]))
        assert sine_distance(pool.directions, true[:, 1:2]).item() < 1e-9

    def test_the_sparsest_are_kept_when_it_is_full(self, monkeypatch):
        monkeypatch.setattr("spear.inversion.sampling.pool.LARGEST_POOL", 1)
        problem, true = true_directions(make_problem(4))
        pool = CandidatePool(problem, 1e-5)
        pool.directions = unit_columns(torch.randn(4, 3, generator=generator()).double())
        assert pool.add(true.T)
        assert len(pool) == 4
        assert sine_distance(pool.directions, true).amin(dim=0).max() < 1e-9

    def test_inactive_rows_count_as_zeros_of_every_direction(self):
        problem = make_problem(4, m=200)
        bias = problem.network[1].bias
        bias.data[:100] = -100.0
        found = factorized(problem_of(problem.network, problem.batch, torch.float64).observation)
        assert required_active_zeros(found, 1e-5) == found.b < required_zeros(200, 1e-5)
