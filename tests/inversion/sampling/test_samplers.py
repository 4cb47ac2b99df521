"""Both samplers draw the same submatrices with the same probabilities."""

import itertools
import math

import pytest
import torch
from scipy.stats import chisquare, norm
from support.problems import (
    factorized,
    make_problem,
    unit_columns,
)
from support.recovery import generator, per_sampler, true_directions
from torch import Tensor

from spear.inversion.sampling.lemmas import repetition
from spear.inversion.sampling.overdetermined import Kernels, LeverageKernels
from spear.inversion.sampling.pool import CandidatePool
from spear.inversion.sampling.samplers import (
    InformationSetSampler,
    Sampler,
    SvdSampler,
    random_subsets,
)


class TestSamplers:
    @pytest.mark.parametrize(("m", "size", "count"), [(10, 3, 7), (10, 10, 4), (9, 1, 20)])
    def test_subsets_have_distinct_members(self, m, size, count):
        subsets = random_subsets(m, size, count, generator())
        assert subsets.shape == (count, size)
        assert subsets.min() >= 0
        assert subsets.max() < m
        assert all(len(set(subset)) == size for subset in subsets.tolist())

    def test_subsets_of_nothing(self):
        assert random_subsets(5, 0, 3, generator()).shape == (3, 0)

    def test_subsets_are_uniform(self):
        """Chi-square over all 35 subsets, separately for each place in a permutation."""
        subsets = random_subsets(7, 3, 70_000, generator()).sort(dim=1).values
        codes = subsets @ torch.tensor([49, 7, 1])
        for place in (0, 1):
            counts = torch.unique(codes[place::2], return_counts=True)[1]
            assert len(counts) == math.comb(7, 3)
            assert chisquare(counts.numpy()).pvalue > 1e-4

    @per_sampler
    def test_directions_are_kernels(self, sampler):
        left = torch.randn(30, 6, generator=generator(), dtype=torch.float64)
        directions = sampler.draw(left, 50, generator())
        assert directions.shape == (50 * sampler.per_draw(6), 6)
        ones = torch.ones(len(directions), dtype=torch.float64)
        assert torch.allclose(torch.linalg.vector_norm(directions, dim=1), ones)
        assert (((directions @ left.T).abs() < 1e-9).sum(dim=1) == 5).all()

    @per_sampler
    def test_submatrices_are_uniform(self, sampler):
        """In general position a kernel tells its submatrix: chi-square over all 15 of them.

        What one permutation yields is dependent, so that each place in it is tested by itself.
        """
        left = torch.randn(6, 3, generator=generator(), dtype=torch.float64)
        pairs = list(itertools.combinations(range(6), 2))
        normals = torch.stack([torch.linalg.cross(left[i], left[j]) for i, j in pairs])
        permutations = 15_000
        draws = permutations * (6 // 2 if isinstance(sampler, SvdSampler) else 6 // 3)
        directions = sampler.draw(left, draws, generator())
        cosines = (directions @ unit_columns(normals.T)).abs()
        drawn = cosines.argmax(dim=1).reshape(permutations, -1)
        assert torch.allclose(cosines.amax(dim=1), cosines.new_ones(()))
        for place in range(drawn.shape[1]):
            counts = torch.bincount(drawn[:, place], minlength=15)
            assert chisquare(counts.numpy()).pvalue > 1e-4

    @pytest.mark.parametrize("b", [4, 5])
    @pytest.mark.few(1)
    def test_both_hit_each_direction_at_its_rate(self, b):
        """Per submatrix, against each other and against the count over all C(m, b-1) of them."""
        problem, directions = true_directions(make_problem(b, m=50))
        rates = exact_rates(problem.left, directions)
        assert (rates > 0.001).all()
        bound = norm.ppf(1 - 1e-4 / (6 * b))  # Bonferroni: 3 two-sided tests a direction
        means, deviations = {}, {}
        for sampler in (SvdSampler(), InformationSetSampler()):
            hits = hit_rates(sampler, problem.left, directions, calls=300, submatrices=1000)
            mean, deviation = hits.mean(dim=0), hits.std(dim=0) / len(hits) ** 0.5
            assert ((mean - rates).abs() < bound * deviation).all(), sampler
            assert (deviation < 0.05 * rates).all(), "the test has power"
            means[type(sampler)], deviations[type(sampler)] = mean, deviation
        difference = means[SvdSampler] - means[InformationSetSampler]
        spread = (deviations[SvdSampler] ** 2 + deviations[InformationSetSampler] ** 2).sqrt()
        assert (difference.abs() < bound * spread).all()

    @per_sampler
    def test_singular_submatrices_pass_no_filter(self, sampler):
        """Copies of few rows: every submatrix is singular."""
        problem = factorized(make_problem(4, m=50).observation)
        copies = problem.left[:2].repeat(10, 1)
        directions = sampler.draw(copies, 50, generator())
        pool = CandidatePool(problem, 1e-5)
        assert not pool.add(directions)
        assert len(pool) == 0


def exact_rates(left: Tensor, directions: Tensor) -> Tensor:
    """The share of all (b-1)-row submatrices whose kernel is each true direction."""
    m, b = left.shape
    subsets = torch.tensor(list(itertools.combinations(range(m), b - 1)))
    zero = (left @ directions).abs() < 1e-9
    rates = []
    for i in range(b):
        containing = subsets[zero[subsets, i].all(dim=1)]
        regular = torch.linalg.svdvals(left[containing])[:, -1] > 1e-9
        rates.append(regular.sum() / len(subsets))
    return torch.stack(rates).double()


def hit_rates(
    sampler: Sampler, left: Tensor, directions: Tensor, calls: int, submatrices: int
) -> Tensor:
    """For each of many independent calls, the share of submatrices giving each direction."""
    draws = submatrices // sampler.per_draw(left.shape[1])
    rates = []
    for seed in range(calls):
        drawn = sampler.draw(left, draws, generator(seed))
        found = (drawn @ directions).abs() > 1 - 1e-10
        rates.append(found.double().mean(dim=0))
    return torch.stack(rates)


class TestClusters:
    """Hits of one draw repeat each other as docs/theory/sampling.md says."""

    @pytest.mark.parametrize(
        ("sampler", "b", "draws"),
        [
            (InformationSetSampler(), 9, 20_000),
            (LeverageKernels(), 6, 20_000),
            (SvdSampler(), 5, 400),
        ],
    )
    def test_hits_per_draw_that_has_any(self, sampler, b, draws):
        columns = torch.randn(20_000, b, generator=generator(), dtype=torch.float64)
        columns *= torch.rand(columns.shape, generator=generator(1)) < 0.5
        columns += 1e-7 * torch.randn(columns.shape, generator=generator(3), dtype=torch.float64)
        basis = torch.linalg.qr(torch.randn(b, b, generator=generator(2), dtype=torch.float64)).Q
        drawn = sampler.draw(columns @ basis, draws, generator())
        directions = drawn.directions if isinstance(drawn, Kernels) else drawn
        hits = ((directions @ basis.T).abs() > 1 - 1e-6).reshape(draws, -1, b).sum(dim=1)
        repeated = float(hits.sum() / hits.count_nonzero())
        assert repeated == pytest.approx(repetition(sampler.per_draw(b)), rel=0.1)
