"""The attack on real gradients: exact where the paper says so, honest where it cannot be."""

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
from scipy.stats import chisquare, norm
from support.problems import (
    Problem,
    WeightedLoss,
    factorized,
    make_problem,
    picture_problem,
    problem_of,
    sine_distance,
    to_dtype,
    true_disaggregation,
    unit_columns,
)
from torch import Tensor

from spear.attack import Progress
from spear.data.base import Batch, Dataset
from spear.data.embedded import Digits, Faces
from spear.errors import ConfigError
from spear.inversion import Spear
from spear.inversion.directions.determined import is_determined
from spear.inversion.directions.exact import refine
from spear.inversion.directions.scale import fix_scale
from spear.inversion.directions.selection import greedy_filter
from spear.inversion.directions.sparsity_matching import sparsity_matching
from spear.inversion.directions.zeros import required_active_zeros, required_zeros, zero_pattern
from spear.inversion.factors.factorization import Factorization, factorize
from spear.inversion.factors.rank import estimate_rank, rounding_floor
from spear.inversion.sampling.pool import CandidatePool
from spear.inversion.sampling.samplers import (
    InformationSetSampler,
    Sampler,
    SvdSampler,
    random_subsets,
)
from spear.networks import fcnn
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.scoring.matching import match
from spear.scoring.scores import Scoring, psnr

DTYPES = [torch.float32, torch.float64]
PSNR_AT_LEAST = {torch.float32: 140.0, torch.float64: 280.0}
ERROR_AT_MOST = {torch.float32: 1e-5, torch.float64: 1e-12}
"""Largest error of a reconstructed standard normal input."""

per_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
per_sampler = pytest.mark.parametrize("sampler", [SvdSampler(), InformationSetSampler()])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def attack(**settings: Any) -> Spear:
    """An attack that a mistake in the search does not make endless."""
    return Spear(time_limit=10.0, **settings)


def errors(reconstruction: Reconstruction, inputs: Tensor) -> Tensor:
    """Largest error in each true input; infinite where nothing is left to match it."""
    order = match(reconstruction.inputs, inputs)
    differences = reconstruction.inputs[order] - inputs.double()
    return differences.abs().amax(dim=1).where(order >= 0, torch.inf)


def assert_exact(reconstruction: Reconstruction, problem: Problem) -> None:
    """Every claim of the reconstruction holds."""
    dtype = problem.truth.inputs.dtype
    assert reconstruction.status is Status.EXACT
    assert reconstruction.sparsity_matching == 1.0
    assert reconstruction.batch_size == reconstruction.n_directions == problem.b
    assert errors(reconstruction, problem.truth.inputs).max() < ERROR_AT_MOST[dtype]
    order = match(reconstruction.inputs, problem.truth.inputs)
    found = reconstruction.activation_gradients[:, order]
    true = problem.truth.activation_gradients.double()
    # A reconstructed gradient has the noise of the batch, not of its own sample.
    assert (found - true).norm() < ERROR_AT_MOST[dtype] * true.norm()


def true_directions(problem: Problem) -> tuple[Factorization, Tensor]:
    found = factorized(problem.observation)
    return found, unit_columns(true_disaggregation(found, problem.truth))


class TestRank:
    @pytest.mark.parametrize("b", [1, 2, 8, 20])
    @per_dtype
    def test_rank_is_the_batch_size(self, dtype, b):
        for seed in range(5):
            observation = make_problem(b, dtype=dtype, seed=seed).observation
            assert factorized(observation).b == b

    @pytest.mark.parametrize("b", [1, 2, 8, 20])
    def test_float32_in_float64(self, b):
        """Casting hides the precision of the client, not the gap it leaves in the spectrum."""
        observation = make_problem(b, dtype=torch.float32).observation
        assert factorized(to_dtype(observation, torch.float64)).b == b

    @pytest.mark.parametrize("normalize", [True, False])
    @pytest.mark.parametrize("dataset", [Digits, Faces])
    @per_dtype
    def test_pictures(self, dtype, dataset, normalize):
        for seed in range(5):
            problem = picture_problem(dataset(normalize=normalize), 16, dtype, seed)
            assert factorized(problem.observation).b == 16

    @pytest.mark.parametrize(
        ("dtype", "weight"),
        [(torch.float32, 1e-3), (torch.float64, 1e-3), (torch.float64, 1e-8)],
    )
    def test_one_sample_with_nearly_no_loss(self, dtype, weight):
        """It leaves a gap inside the signal, and the last gap counts; it is found all the same."""
        problem = make_problem(4, dtype=dtype, loss=WeightedLoss(1, 1, weight, 1))
        found = factorized(problem.observation)
        assert found.b == 4
        assert found.singular_values[3] < 10 * weight * found.singular_values[2]
        reconstruction = attack()(problem.observation)
        assert reconstruction.status is Status.EXACT
        error = errors(reconstruction, problem.truth.inputs)
        assert error[[0, 1, 3]].max() < ERROR_AT_MOST[dtype]
        assert error[2] < ERROR_AT_MOST[dtype] / weight

    @pytest.mark.parametrize(
        ("values", "floor", "rank"),
        [
            ([], 0.0, 0),
            ([0.0, 0.0], 1e-3, 0),
            ([5.0, 4.0, 1e-5], 1e-6, 2),
            ([5.0, 4.0, 3.0], 1e-6, None),
            ([5.0, 0.1, 0.09, 1e-7], 1e-8, 3),
            ([5.0, 4.0, 1e-9, 1e-15], 1e-8, 2),
            ([5.0, 4.0, 0.0], 1e-8, 2),
            ([1e-9, 1e-9], 1e-8, None),
        ],
    )
    def test_the_last_gap_above_the_floor(self, values, floor, rank):
        spectrum = torch.tensor(values, dtype=torch.float64)
        assert estimate_rank(spectrum, floor) == rank

    @pytest.mark.parametrize(("m", "n"), [(50, 60), (200, 30), (30, 500)])
    def test_rounding_floor_is_the_size_of_rounding(self, m, n):
        exact = make_problem(4, m, n).observation.weight_gradient
        rounded = exact.float()
        largest = float(torch.linalg.matrix_norm(rounded.double() - exact, 2))
        assert largest / 2 < rounding_floor(rounded) < largest * 4


class TestFactorization:
    def test_small_singular_vectors_are_as_good_as_those_of_an_svd(self):
        """The Gram matrix alone gets them wrong by eps (S_1 / S_b)^2."""
        gradient = make_problem(
            4, loss=WeightedLoss(1, 1, 1e-6, 1)
        ).observation.weight_gradient.clone()
        problem = factorized(Observation(gradient, gradient[:, 0], gradient, gradient[:, 0]))
        U, S, _ = torch.linalg.svd(gradient[problem.active], full_matrices=False)
        left = problem.left / problem.left.shape[0] ** 0.5
        distance = sine_distance(left, U[:, :4]).diagonal()
        assert distance.max() < 1e-8
        assert torch.allclose(problem.singular_values, S[:4], rtol=1e-8, atol=0)

    def test_it_has_the_gradient_as_its_product(self):
        observation = make_problem(8).observation
        problem = factorized(observation)
        product = problem.left @ problem.right
        expected = observation.weight_gradient[problem.active]
        assert torch.allclose(product, expected, rtol=0, atol=1e-14)

    def test_chunks_change_nothing(self, monkeypatch):
        observation = make_problem(8).observation
        whole = factorized(observation)
        monkeypatch.setattr("spear.inversion.factors.large_matrix.CHUNK_COLUMNS", 7)
        chunked = factorized(observation)
        product = whole.projected_weight @ whole.left.T
        assert torch.allclose(chunked.projected_weight @ chunked.left.T, product, atol=1e-12)
        assert torch.allclose(chunked.noise.rows, whole.noise.rows, rtol=1.0, atol=1e-17)

    def test_noise_is_measured(self):
        """Gaussian noise of known deviation on rows of known number."""
        problem = make_problem(4, m=80, n=400)
        observation, sigma = problem.observation, 1e-6
        noisy = observation.weight_gradient.clone()
        active = noisy.ne(0).any(dim=1)
        noisy[active] += sigma * torch.randn(
            int(active.sum()), 400, generator=generator(1), dtype=torch.float64
        )
        noise = factorized(dataclasses.replace(observation, weight_gradient=noisy)).noise
        assert noise.white
        measured = noise.rows / len(noise.rows) ** 0.5
        assert measured.square().mean().sqrt() == pytest.approx(sigma, rel=0.05)
        assert measured.max() < 1.5 * sigma


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


class TestRefinement:
    def test_it_is_worth_tens_of_decibels_in_float32(self):
        dataset = Digits()
        problem = picture_problem(dataset, 8, torch.float32)
        found, true = true_directions(problem)
        drawn = SvdSampler().draw(found.left.float(), 20_000, generator()).double()
        distance = sine_distance(drawn.T, true)
        assert (distance.amin(dim=0) < 1e-3).all(), "each direction was met"
        raw = drawn[torch.stack([(column < 1e-3).nonzero()[0, 0] for column in distance.T])].T
        before = picture_psnr(dataset, problem, found, raw)
        after = picture_psnr(dataset, problem, found, refine(found, raw))
        assert after > 150
        assert after > before + 30

    @pytest.mark.parametrize("normalize", [True, False])
    @per_dtype
    def test_true_directions_stay(self, dtype, normalize):
        """Whatever entries are small by chance: 480 directions found with errors of 1e-6."""
        for seed in range(60):
            problem = picture_problem(Digits(normalize=normalize), 8, dtype, seed)
            found, true = true_directions(problem)
            noise = torch.randn(true.shape, generator=generator(seed), dtype=torch.float64)
            refined = refine(found, unit_columns(true + 1e-6 * noise))
            zeros = zero_pattern(found, refined)
            truly = (problem.truth.activation_gradients == 0)[found.active]
            # A handful of 5e4 entries are below float32's noise.
            assert (zeros != truly).sum() <= (1 if dtype == torch.float32 else 0)
            assert sine_distance(refined, true).diagonal().max() < 100 * ERROR_AT_MOST[dtype]

    def test_a_small_entry_in_a_quiet_row(self):
        """A row of small gradients has little noise, but its small entry is no zero for that."""
        problem, true = true_directions(picture_problem(Digits(), 4, torch.float64))
        left, rows = problem.left.clone(), problem.noise.rows.clone()
        row = int((left @ true[:, 0]).abs().argmax())
        left[row] *= 5e-4 / float((left[row] @ true[:, 0]).abs())
        rows[row] *= 1e-6
        noise = dataclasses.replace(problem.noise, rows=rows)
        quiet = dataclasses.replace(problem, left=left, noise=noise)
        refined = refine(quiet, true[:, :1])
        assert sine_distance(refined, true[:, :1]) < 1e-12

    def test_determined_directions(self):
        problem, true = true_directions(make_problem(5, m=80))
        assert is_determined(problem, true, zero_pattern(problem, true)).all()

    @pytest.mark.parametrize("members", [2, 3])
    def test_mixtures_are_not_determined(self, members):
        """q_1 + a q_2 (+ c q_3) with one zero (two zeros) more than they have in common."""
        problem, true = true_directions(make_problem(5, m=80))
        values = problem.left @ true
        checked = 0
        for chosen in itertools.combinations(range(5), members):
            part = values[:, list(chosen)]
            rows = torch.nonzero((part != 0).all(dim=1) & (part.abs() > 0.05).all(dim=1)).flatten()
            rows = rows[: members - 1]
            kernel = torch.linalg.svd(part[rows], full_matrices=True).Vh[-1]
            mixture = unit_columns((true[:, list(chosen)] @ kernel)[:, None])
            zeros = zero_pattern(problem, mixture)
            common = zero_pattern(problem, true[:, list(chosen)]).all(dim=1)
            assert int(zeros.sum()) == int(common.sum()) + members - 1
            assert not is_determined(problem, mixture, zeros).any()
            checked += 1
        assert checked == math.comb(5, members)


def picture_psnr(
    dataset: Dataset, problem: Problem, found: Factorization, directions: Tensor
) -> float:
    """Mean PSNR of X^T = Q^-1 R for directions in the true order."""
    inputs = torch.linalg.solve(fix_scale(found, directions), found.right)
    true = dataset.denormalized(problem.truth.inputs.double())
    return float(psnr(dataset.denormalized(inputs), true).mean())


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


def nested_problem() -> Problem:
    """Four samples; 2 is active wherever 0 is, and 3 wherever 1 is."""
    b, m, n = 4, 40, 60
    network = fcnn((n,), 10, width=m, depth=2, seed=0).double()
    active = torch.rand(m, b, generator=generator()) < 0.5
    active[:, 2] |= active[:, 0]
    active[:, 3] |= active[:, 1]
    magnitudes = 0.1 + torch.rand(m, b, generator=generator(), dtype=torch.float64)
    z = torch.where(active, magnitudes, -magnitudes)
    weight, bias = network[1].weight.detach(), network[1].bias.detach()
    inputs = torch.linalg.lstsq(weight, z - bias[:, None]).solution.T
    return problem_of(network, Batch(inputs, torch.arange(b)), torch.float64)


def nested_mixture(problem: Factorization, true: Tensor, inner: int, outer: int) -> Tensor:
    """q_inner + a q_outer has the zeros of q_outer and one more, where `inner` is active."""
    values = problem.left @ true
    row = int(values[:, inner].abs().argmax())
    mixture = true[:, inner] - values[row, inner] / values[row, outer] * true[:, outer]
    return mixture / torch.linalg.vector_norm(mixture)


class TestGreedyFilter:
    def test_it_picks_the_true_basis_out_of_a_pool(self):
        problem, true = true_directions(make_problem(5, m=80))
        weights = torch.randn(30, 5, generator=generator(), dtype=torch.float64)
        pairs = [unit_columns(true[:, [i]] + true[:, [j]]) for i in range(5) for j in range(i)]
        pool = torch.cat([unit_columns(true @ weights.T), *pairs, true], dim=1)
        shuffled = pool[:, torch.randperm(pool.shape[1], generator=generator())]
        for swaps in (True, False):
            selection = greedy_filter(problem, shuffled, swaps)
            assert selection.sparsity_matching == 1.0
            assert selection.n_found == 5
            assert sine_distance(selection.directions, true).amin(dim=0).max() < 1e-12

    def test_swaps_put_right_what_sparsity_gets_wrong(self):
        """Wrong candidates that are sparser than the true ones they displace (Fig. 6)."""
        problem, true = true_directions(nested_problem())
        wrong = torch.stack(
            [nested_mixture(problem, true, 0, 2), nested_mixture(problem, true, 1, 3)], dim=1
        )
        sparsity = zero_pattern(problem, torch.cat([true, wrong], dim=1)).sum(dim=0)
        assert sparsity[4] == sparsity[2] + 1
        assert sparsity[5] == sparsity[3] + 1
        candidates = torch.cat([wrong, true], dim=1)
        first_stage = greedy_filter(problem, candidates, swaps=False)
        assert first_stage.n_found == 4
        assert sine_distance(first_stage.directions, wrong).amin(dim=0).max() < 1e-12
        assert first_stage.sparsity_matching < 1.0
        both_stages = greedy_filter(problem, candidates)
        assert both_stages.sparsity_matching == 1.0
        assert sine_distance(both_stages.directions, true).amin(dim=0).max() < 1e-12

    def test_a_swap_never_lowers_lambda(self):
        """Pools without the truth: the second stage makes the best of them."""
        raised = 0
        for seed in range(20):
            problem, true = true_directions(make_problem(4, seed=seed))
            weights = torch.randn(12, 4, generator=generator(seed), dtype=torch.float64)
            candidates = unit_columns(true @ weights.T)
            before = greedy_filter(problem, candidates, swaps=False).sparsity_matching
            after = greedy_filter(problem, candidates).sparsity_matching
            assert after >= before
            raised += after > before
        assert raised > 10

    def test_swaps_that_do_not_keep_their_promise_are_undone(self, monkeypatch):
        """Rounding can make a rank-one update too good; swaps would then go round for ever."""
        problem, true = true_directions(make_problem(4))
        weights = torch.randn(12, 4, generator=generator(), dtype=torch.float64)
        candidates = unit_columns(true @ weights.T)
        monkeypatch.setattr(
            "spear.inversion.directions.selection._Exchange._agreement_after_swap",
            lambda self, i, indices: torch.full(indices.shape, problem.m * problem.b),
        )
        selection = greedy_filter(problem, candidates)
        first_stage = greedy_filter(problem, candidates, swaps=False)
        assert selection.sparsity_matching >= first_stage.sparsity_matching

    def test_lambda_is_that_of_the_definition(self):
        """The rank-one updates agree with ComputeLambda (Algorithm 2) on the result."""
        for seed in range(10):
            problem, true = true_directions(make_problem(4, seed=seed))
            weights = torch.randn(12, 4, generator=generator(seed), dtype=torch.float64)
            selection = greedy_filter(problem, unit_columns(true @ weights.T))
            scaled = fix_scale(problem, selection.directions)
            assert selection.sparsity_matching == sparsity_matching(problem, scaled)

    def test_signs_and_order_do_not_matter(self):
        problem, true = true_directions(nested_problem())
        pool = torch.cat([nested_mixture(problem, true, 0, 2)[:, None], true], dim=1)
        signs = torch.tensor([-1.0, 1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
        selection = greedy_filter(problem, (pool * signs)[:, [3, 0, 4, 2, 1]])
        assert selection.sparsity_matching == 1.0
        assert sine_distance(selection.directions, true).amin(dim=0).max() < 1e-12

    @pytest.mark.parametrize("found", [0, 1, 3])
    def test_too_few_candidates_are_filled_up(self, found):
        problem, true = true_directions(make_problem(4))
        selection = greedy_filter(problem, true[:, :found])
        assert selection.n_found == found
        assert selection.sparsity_matching < 1.0
        assert torch.linalg.cond(selection.directions) < 1e3
        assert torch.equal(
            selection.directions[:, :found].T.sort(dim=0).values,
            true[:, :found].T.sort(dim=0).values,
        )

    def test_scale_does_not_matter(self):
        problem, true = true_directions(make_problem(4))
        lengths = torch.tensor([-3.0, 0.1, 1.0, 20.0], dtype=torch.float64)
        assert torch.allclose(fix_scale(problem, true * lengths), fix_scale(problem, true))


PICTURES = [
    pytest.param(dataset, normalize, id=f"{dataset.name}-{'normalized' if normalize else 'raw'}")
    for dataset in (Digits, Faces)
    for normalize in (True, False)
]


class TestExactRecovery:
    @pytest.mark.parametrize("b", [1, 2, 8])
    @pytest.mark.parametrize(("dataset", "normalize"), PICTURES)
    @per_dtype
    def test_pictures(self, dtype, dataset, normalize, b):
        pictures = dataset(normalize=normalize)
        problem = picture_problem(pictures, b, dtype, seed=3)
        reconstruction = attack()(problem.observation)
        assert reconstruction.status is Status.EXACT
        assert reconstruction.sparsity_matching == 1.0
        assert (reconstruction.submatrices == 0) == (b == 1)
        score = Scoring(pictures)(reconstruction, problem.truth)
        assert score.exact
        assert min(score.psnr_per_image) > PSNR_AT_LEAST[dtype]

    @pytest.mark.parametrize("b", [1, 2, 5])
    @per_dtype
    def test_standard_normal_inputs(self, dtype, b):
        problem = make_problem(b, m=80, dtype=dtype)
        assert_exact(attack()(problem.observation), problem)

    @per_sampler
    @per_dtype
    def test_either_sampler(self, dtype, sampler):
        problem = make_problem(4, dtype=dtype)
        assert_exact(attack(sampler=sampler)(problem.observation), problem)

    @pytest.mark.parametrize("search", ["float32", "float64"])
    def test_either_precision_of_the_search(self, search):
        problem = make_problem(4)
        assert_exact(attack(dtype=search)(problem.observation), problem)

    @pytest.mark.parametrize("layer", [2, 3])
    @per_dtype
    def test_deeper_layers(self, dtype, layer):
        problem = picture_problem(Digits(), 4, dtype, layer=layer)
        assert problem.observation.n == 200
        assert_exact(attack(layer=layer)(problem.observation), problem)

    @per_dtype
    def test_dead_and_always_active_neurons(self, dtype):
        problem = make_problem(4, m=80)
        bias = problem.network[1].bias.data
        bias[:20], bias[20:30] = -100.0, 100.0
        problem = problem_of(problem.network, problem.batch, dtype)
        reconstruction = attack()(problem.observation)
        assert_exact(reconstruction, problem)
        assert (reconstruction.activation_gradients[:20] == 0).all()
        assert not factorized(problem.observation).active[:20].any()

    def test_the_rank_may_be_given(self):
        problem = make_problem(4)
        assert_exact(attack(rank=4)(problem.observation), problem)

    @pytest.mark.parametrize("labels", [(0, 0), (0, 1)], ids=["same-label", "other-label"])
    def test_an_image_twice_counts_once(self, labels):
        batch = Digits().batch(5, generator())
        inputs = batch.inputs[[0, 1, 2, 3, 4, 4]]
        twice = Batch(inputs, torch.cat([batch.labels[:4], torch.tensor(labels)]))
        problem = problem_of(fcnn((1, 8, 8), 10, width=200), twice, torch.float64)
        reconstruction = attack()(problem.observation)
        assert reconstruction.status is Status.EXACT
        assert reconstruction.batch_size == 5
        distinct = problem.truth.inputs[:5]
        assert errors(reconstruction, distinct).max() < ERROR_AT_MOST[torch.float64]
        assert errors(reconstruction, problem.truth.inputs).isinf().sum() == 1


class TestInvariances:
    def test_same_seed_same_bits(self):
        observation = make_problem(5, dtype=torch.float32).observation
        first, second = (attack()(observation, seed=7) for _ in range(2))
        for field in dataclasses.fields(Reconstruction):
            one, other = getattr(first, field.name), getattr(second, field.name)
            if isinstance(one, Tensor):
                assert torch.equal(one, other), field.name
            elif field.name != "seconds":
                assert one == other, field.name

    def test_other_seeds_draw_other_submatrices_of_the_same_answer(self):
        problem = make_problem(5)
        runs = [attack()(problem.observation, seed=seed) for seed in range(6)]
        for run in runs:
            assert_exact(run, problem)
        orders = {tuple(match(run.inputs, problem.truth.inputs).tolist()) for run in runs}
        assert len({run.submatrices for run in runs}) > 1 or len(orders) > 1

    def test_the_order_of_the_batch(self):
        problem = make_problem(5)
        order = torch.tensor([3, 0, 4, 2, 1])
        batch = Batch(problem.batch.inputs[order], problem.batch.labels[order])
        permuted = problem_of(problem.network, batch, torch.float64)
        assert_exact(attack()(permuted.observation), problem)

    def test_the_order_of_the_neurons(self):
        problem = make_problem(5)
        order = torch.randperm(problem.observation.m, generator=generator())
        parts = dataclasses.asdict(problem.observation)
        shuffled = Observation(**{name: value[order] for name, value in parts.items()})
        truth = dataclasses.replace(
            problem.truth, activation_gradients=problem.truth.activation_gradients[order]
        )
        assert_exact(attack()(shuffled), dataclasses.replace(problem, truth=truth))

    @pytest.mark.parametrize("scale", [1e-20, 1e20])
    def test_the_scale_of_the_loss(self, scale):
        problem = make_problem(4)
        scaled = dataclasses.replace(
            problem.observation,
            weight_gradient=problem.observation.weight_gradient * scale,
            bias_gradient=problem.observation.bias_gradient * scale,
        )
        reconstruction = attack()(scaled)
        assert reconstruction.status is Status.EXACT
        assert errors(reconstruction, problem.truth.inputs).max() < 1e-12

    def test_nothing_else_changes(self):
        """The observation stays as it was, and so does the global random state."""
        observation = make_problem(4, dtype=torch.float32).observation
        before = {name: part.clone() for name, part in dataclasses.asdict(observation).items()}
        state = torch.random.get_rng_state()
        attack()(observation)
        assert torch.equal(torch.random.get_rng_state(), state)
        for name, part in before.items():
            assert torch.equal(getattr(observation, name), part)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    @per_dtype
    def test_cuda_finds_what_the_cpu_finds(self, dtype):
        problem = make_problem(8, m=100, dtype=dtype)
        on_cpu = attack()(problem.observation)
        on_cuda = attack(device="cuda")(problem.observation)
        assert_exact(on_cuda, problem)
        assert errors(on_cuda, on_cpu.inputs).max() < ERROR_AT_MOST[dtype]
        assert on_cuda.inputs.device.type == "cpu"


class TestStatus:
    def test_zero_gradient(self):
        observation = make_problem(4).observation
        zero = dataclasses.replace(
            observation, weight_gradient=torch.zeros_like(observation.weight_gradient)
        )
        reconstruction = attack()(zero)
        assert reconstruction.status is Status.ZERO_GRADIENT
        assert reconstruction.inputs.shape == (0, observation.n)
        assert reconstruction.activation_gradients.shape == (observation.m, 0)

    @pytest.mark.parametrize(
        ("b", "m", "n"),
        [(8, 8, 60), (30, 8, 60), (10, 50, 10), (30, 50, 10)],
        ids=["b=m", "b>m", "b=n", "b>n"],
    )
    @per_dtype
    def test_full_rank(self, dtype, b, m, n):
        reconstruction = attack()(make_problem(b, m, n, dtype).observation)
        assert reconstruction.status is Status.FULL_RANK
        assert reconstruction.batch_size == 0

    def test_a_given_rank_beyond_the_gradients(self):
        assert factorize(make_problem(4, m=20).observation, rank=30) is Status.FULL_RANK

    @per_sampler
    def test_timed_out(self, sampler):
        problem = make_problem(12)
        reconstruction = Spear(sampler=sampler, time_limit=0.0)(problem.observation)
        assert reconstruction.status is Status.TIMED_OUT
        assert_best_effort(reconstruction, problem)

    @per_sampler
    def test_samples_exhausted(self, sampler):
        problem = make_problem(12)
        reconstruction = Spear(sampler=sampler, max_submatrices=1)(problem.observation)
        assert reconstruction.status is Status.SAMPLES_EXHAUSTED
        assert reconstruction.submatrices >= 1
        assert_best_effort(reconstruction, problem)

    def test_what_was_found_is_returned(self):
        """Most directions are there before the search is cut off, and their inputs are right."""
        problem = picture_problem(Faces(normalize=False), 8, torch.float64, seed=2)
        reconstruction = Spear(max_submatrices=3e4)(problem.observation)
        assert reconstruction.status is Status.SAMPLES_EXHAUSTED
        assert 0 < reconstruction.n_directions < 8
        score = Scoring(Faces(normalize=False))(reconstruction, problem.truth)
        assert 0 < score.directions_right <= reconstruction.n_directions

    def test_one_sample_whose_bias_gradient_does_not_fit(self):
        observation = make_problem(1).observation
        forged = dataclasses.replace(observation, bias_gradient=-observation.bias_gradient)
        reconstruction = attack()(forged)
        assert reconstruction.status is Status.PARTIAL
        assert reconstruction.batch_size == 1
        assert reconstruction.sparsity_matching < 1.0

    def test_every_status_has_a_sentence(self):
        assert len({status.message for status in Status}) == len(Status)

    def test_progress_is_reported(self):
        seen: list[Progress] = []
        problem = make_problem(12)
        Spear(max_submatrices=5e3)(problem.observation, progress=seen.append)
        counts = [float(each.note.removesuffix(" submatrices")) for each in seen]
        assert len(counts) > 2
        assert counts == sorted(set(counts))
        assert all(each.total == 12 >= each.done for each in seen)


def assert_best_effort(reconstruction: Reconstruction, problem: Problem) -> None:
    """b finite rows that explain the gradient as well as any: their product is dL/dW."""
    assert reconstruction.batch_size == problem.b
    assert reconstruction.sparsity_matching < 1.0
    assert reconstruction.n_directions <= problem.b
    assert reconstruction.inputs.isfinite().all()
    product = reconstruction.activation_gradients @ reconstruction.inputs
    gradient = problem.observation.weight_gradient
    assert torch.allclose(product, gradient, rtol=0, atol=1e-9 * float(gradient.abs().max()))


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("p_false_reject", 0.0),
            ("p_false_reject", 1.0),
            ("p_false_reject", -1e-5),
            ("dtype", "float16"),
            ("rank", 0),
        ],
    )
    def test_bad_values_are_refused_by_name(self, name, value):
        with pytest.raises(ConfigError, match=f"^{name} is {value!r}"):
            Spear(**{name: value})
