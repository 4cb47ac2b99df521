"""Algorithm 1 on noisy gradients (App. E.6): submatrices of b + 1 rows, their rank, the attack."""

import pytest
import torch
from support.problems import (
    Problem,
    factorized,
    make_problem,
    picture_problem,
    sine_distance,
    true_disaggregation,
    unit_columns,
)
from torch import Tensor

from spear.client.client import Client
from spear.client.defenses import DPSGD
from spear.data.embedded import Faces
from spear.errors import ConfigError
from spear.inversion import SpearIrls
from spear.inversion.factors.factorization import Factorization
from spear.inversion.sampling.noisy import NoisyPool, SpearNoisy, of_full_rank, widest_tolerance
from spear.inversion.sampling.overdetermined import (
    LeverageKernels,
    SvdKernels,
    leverage_kernels,
    svd_kernels,
)
from spear.reconstruction import Status
from spear.scoring import Scorer

per_kernels = pytest.mark.parametrize("kernels", [SvdKernels(), LeverageKernels()])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_matrix(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def without_each_row(sets: Tensor) -> Tensor:
    """The submatrices that leave out one row each (k r x (r - 1) x b)."""
    r = sets.shape[1]
    kept = torch.tensor([[j for j in range(r) if j != k] for k in range(r)])
    return sets[:, kept].flatten(0, 1)


def nearly_singular(k: int, b: int, noise: float) -> Tensor:
    """k sets of b + 2 rows, all but the last of them orthogonal to one direction but for noise."""
    sets = random_matrix(k, b + 2, b)
    kernel = unit_columns(random_matrix(b, 1, seed=1))
    values = noise * random_matrix(k, b + 2, 1, seed=2)
    values[:, -1] = 1.0
    return sets - (sets @ kernel - values) * kernel.T


class TestKernels:
    @pytest.mark.parametrize("b", [2, 5, 20])
    def test_one_factorisation_has_what_each_svd_has(self, b):
        """Where the rank is b - 1 but for noise: without the one row that is no zero."""
        sets = nearly_singular(200, b, 1e-5)
        chosen = torch.arange(200) * (b + 2) + b + 1
        fast = leverage_kernels(sets)[chosen]
        slow = svd_kernels(without_each_row(sets)[chosen])
        determined = slow.errors < 1e4
        assert determined.double().mean() > 0.9
        fast, slow = fast[determined], slow[determined]
        distances = sine_distance(fast.directions.T, slow.directions.T).diagonal()
        assert distances.max() < 1e-5
        torch.testing.assert_close(fast.residuals, slow.residuals, rtol=0.01, atol=0)
        torch.testing.assert_close(fast.errors, slow.errors, rtol=1e-3, atol=0)

    def test_the_residual_is_that_of_the_direction(self):
        """A Rayleigh quotient, whatever the rank: at least the smallest eigenvalue."""
        sets = random_matrix(50, 8, 6)
        fast, submatrices = leverage_kernels(sets), without_each_row(sets)
        values = (submatrices @ fast.directions[:, :, None]).square().sum(dim=(1, 2))
        torch.testing.assert_close(fast.residuals, values)
        assert (fast.residuals >= svd_kernels(submatrices).residuals * (1 - 1e-9)).all()

    @pytest.mark.parametrize("rank", [3, 4])
    def test_lower_ranks_have_large_errors_or_none(self, rank):
        """Of rank b - 2 and less: the kernel is no line."""
        sets = random_matrix(30, 8, rank) @ random_matrix(30, rank, 6, seed=1)
        for kernels in (leverage_kernels(sets), svd_kernels(without_each_row(sets))):
            assert not (kernels.errors < 1e8).any()

    @per_kernels
    def test_each_draw_yields_its_submatrices(self, kernels):
        drawn = kernels.draw(random_matrix(30, 6), 50, generator())
        assert len(drawn) == 50 * kernels.per_draw(6)
        lengths = torch.linalg.vector_norm(drawn.directions, dim=1)
        torch.testing.assert_close(lengths, torch.ones_like(lengths))

    def test_both_hit_at_one_rate(self):
        """Sets of b + 2 zero rows, whose Gram matrix is nearly singular, among them."""
        found, true = noisy(make_problem(4, m=50), 1e-4)
        rates = []
        for kernels in (SvdKernels(), LeverageKernels()):
            drawn = kernels.draw(found.left, 60_000 // kernels.per_draw(4), generator())
            near = sine_distance(drawn.directions.T, true).amin(dim=1) < 0.01
            rates.append(float((near & (drawn.residuals < 1e-4)).double().mean()))
        assert rates[0] > 0.05
        assert rates[1] == pytest.approx(rates[0], rel=0.1)


def noisy(problem: Problem, share: float) -> tuple[Factorization, Tensor]:
    """The factorisation with noise (a share of the median gradient), and the true directions."""
    sigma = share * problem.truth.weight_gradient_median()
    client = Client(problem.network, defense=DPSGD(float("inf"), sigma))
    found = factorized(client.share(problem.batch, generator(1)).observe(1))
    return found, unit_columns(true_disaggregation(found, problem.truth))


class TestRank:
    @pytest.mark.parametrize("share", [0.01, 0.1])
    def test_zero_rows_pass_and_others_do_not(self, share):
        problem = picture_problem(Faces(), 6)
        found, _ = noisy(problem, share)
        zero = (problem.truth.activation_gradients[:, 0] == 0)[found.active]
        drawn = SvdKernels().draw(found.left[zero], 2000, generator())
        passed, tolerances = of_full_rank(found, drawn, 1e-5, 0.25)
        assert len(passed) > 0.5 * len(drawn), "but for those that determine no direction"
        assert tolerances.max() <= 0.25
        # Within the tolerance lie the entries that are zero for the true direction.
        entries = (passed @ found.left[zero].T).abs() <= tolerances[:, None]
        assert entries.double().mean() > 0.99
        rank_b = SvdKernels().draw(found.left[~zero], 2000, generator())
        assert len(of_full_rank(found, rank_b, 1e-5, 0.25)[0]) < 0.2 * len(passed)

    def test_random_directions_have_too_few_zeros_within_the_widest_tolerance(self):
        found, _ = noisy(picture_problem(Faces(), 6), 0.05)
        random = unit_columns(random_matrix(6, 20_000))
        entries = (found.left @ random).abs()
        zeros = (entries <= widest_tolerance(found, 80)).sum(dim=0)
        assert (zeros + 7 >= 80).double().mean() == pytest.approx(0.01, abs=0.008)


class TestPool:
    def test_of_nearly_equal_versions_the_sparsest_is_kept(self):
        found, true = noisy(picture_problem(Faces(), 6), 0.1)
        pool = NoisyPool(found, 1e-5)
        shift = found.noise.angle(true) * unit_columns(random_matrix(6, 6))
        assert pool.add(unit_columns(true + 2 * shift).T)
        assert pool.add(true.T) or len(pool) == 6
        pool.add(unit_columns(true - shift).T)
        assert len(pool) == 6
        assert sine_distance(pool.directions, true).amin(dim=0).max() < 0.05

    def test_directions_apart_stay_apart(self):
        found, true = noisy(picture_problem(Faces(), 6), 0.1)
        pool = NoisyPool(found, 1e-5)
        for column in true.T:
            assert pool.add(column[None])
        assert len(pool) == 6
        assert not pool.add(true[:, :0].T)


class TestAttack:
    @pytest.mark.parametrize("kernels", ["svd", "leverage"])
    @pytest.mark.parametrize(
        ("share", "unproven"),
        [(0.02, set()), (0.1, set()), (0.3, {Status.TIMED_OUT, Status.PARTIAL})],
        ids=["weak", "medium", "strong"],
    )
    @pytest.mark.few(2)
    def test_it_finds_what_the_descent_finds(self, share, unproven, kernels):
        dataset = Faces()
        problem = picture_problem(dataset, 6)
        sigma = share * problem.truth.weight_gradient_median()
        client = Client(problem.network, defense=DPSGD(1.0, sigma))
        observation = client.share(problem.batch, generator(1)).observe(1)
        sampler = SvdKernels() if kernels == "svd" else LeverageKernels()
        found = SpearNoisy(kernels=sampler, time_limit=3)(observation)
        assert found.status in {Status.APPROXIMATE} | unproven, "strong noise may leave it so"
        scorer = Scorer(dataset)
        descent = scorer(SpearIrls()(observation), problem.truth)["psnr"]
        assert scorer(found, problem.truth)["psnr"] > descent - 1

    def test_it_is_exact_without_noise(self):
        problem = picture_problem(Faces(), 6)
        found = SpearNoisy(time_limit=10)(problem.observation)
        assert found.status is Status.EXACT
        assert Scorer(Faces())(found, problem.truth)["psnr_min"] > 130

    def test_the_same_seed_gives_the_same_result(self):
        observation = make_problem(4).observation
        first, second = (SpearNoisy(time_limit=10)(observation, seed=3) for _ in range(2))
        assert torch.equal(first.inputs, second.inputs)
        assert first.submatrices == second.submatrices

    def test_too_few_rows_for_a_submatrix(self):
        found = SpearNoisy()(make_problem(8, m=9).observation)
        assert found.status in (Status.SAMPLES_EXHAUSTED, Status.FULL_RANK)
        assert found.submatrices == 0

    def test_bad_values_are_refused_by_name(self):
        with pytest.raises(ConfigError, match=r"^p_false_reject is 0\.0"):
            SpearNoisy(p_false_reject=0.0)
