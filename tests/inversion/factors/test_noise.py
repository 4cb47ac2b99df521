"""Noisy updates: what noise does to L q, how much of it there is, and inversion in spite of it."""

import dataclasses

import pytest
import torch
from support.problems import Problem, factorized, picture_problem, true_disaggregation, unit_columns
from torch import Tensor

from spear.client.client import Client
from spear.client.defenses import DPSGD
from spear.client.local_training import FedAvg
from spear.data.embedded import Digits, Faces
from spear.inversion import SpearIrls
from spear.inversion.descent.basis import Basis, exchanged
from spear.inversion.directions.sparsity_matching import activity, agreement
from spear.inversion.directions.verdict import verdict
from spear.inversion.directions.zeros import sparsity
from spear.inversion.factors.factorization import Factorization
from spear.inversion.factors.large_matrix import left_multiply, right_multiply
from spear.inversion.factors.noise import signal_strengths, white_noise_rank
from spear.inversion.factors.rank import rounding_floor
from spear.inversion.factors.spectrum import left_spectrum
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.scoring import Scorer


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def low_rank(rank: int, m: int, n: int, seed: int = 0) -> Tensor:
    left = torch.randn(m, rank, generator=generator(seed), dtype=torch.float64)
    return left @ torch.randn(rank, n, generator=generator(seed + 1), dtype=torch.float64)


def white(m: int, n: int, seed: int = 2) -> Tensor:
    return torch.randn(m, n, generator=generator(seed), dtype=torch.float64)


def noisy(problem: Problem, sigma: float, seed: int = 5) -> Observation:
    """White noise on the weight gradient and the bias gradient."""
    observation = problem.observation
    noise = torch.randn(observation.m, observation.n + 1, generator=generator(seed))
    return dataclasses.replace(
        observation,
        weight_gradient=observation.weight_gradient + sigma * noise[:, 1:],
        bias_gradient=observation.bias_gradient + sigma * noise[:, 0],
    )


def true_directions(problem: Problem, sigma: float) -> tuple[Factorization, Tensor]:
    """Of a noisy problem, the directions that its noise-free part has in the noisy coordinates."""
    found = factorized(noisy(problem, sigma), problem.b)
    return found, unit_columns(true_disaggregation(found, problem.truth))


class TestRank:
    @pytest.mark.parametrize(("m", "n"), [(200, 3072), (150, 400), (400, 200)])
    @pytest.mark.parametrize("rank", [1, 7, 30])
    def test_signals_above_white_noise_are_counted(self, m, n, rank):
        matrix = low_rank(rank, m, n) + white(m, n)
        assert white_noise_rank(torch.linalg.svdvals(matrix), m, n) == rank

    @pytest.mark.parametrize("seed", range(20))
    def test_noise_alone_has_rank_zero(self, seed):
        assert white_noise_rank(torch.linalg.svdvals(white(150, 500, seed)), 150, 500) == 0

    def test_a_gap_inside_the_signal_is_not_its_end(self):
        signal = low_rank(1, 200, 800) * 1e3 + low_rank(9, 200, 800, seed=5)
        observation = Observation(
            weight=white(200, 800),
            bias=torch.zeros(200, dtype=torch.float64),
            weight_gradient=signal + white(200, 800),
            bias_gradient=signal.sum(dim=1),
        )
        assert factorized(observation).b == 10

    def test_a_gradient_of_full_rank_is_not_taken_for_noise(self):
        matrix = low_rank(100, 100, 300)
        assert white_noise_rank(torch.linalg.svdvals(matrix), 100, 300) is None

    def test_a_signal_below_the_noise_is_full_rank(self):
        problem = picture_problem(Digits(), 5)
        assert SpearIrls()(noisy(problem, 1.0)).status is Status.FULL_RANK


class TestSpectrum:
    @pytest.mark.parametrize(
        ("rank", "m", "n"),
        [
            (5, 300, 900),
            (60, 600, 900),
            (100, 600, 900),
            (200, 600, 900),
            (5, 900, 60),
            (90, 900, 99),
        ],
    )
    def test_sketches_have_the_values_of_the_decomposition(self, rank, m, n):
        gradient = low_rank(rank, m, n).to(torch.float32)
        vectors, values = left_spectrum(gradient.double(), rounding_floor(gradient))
        exact = torch.linalg.svdvals(gradient.double())
        torch.testing.assert_close(values[:rank], exact[:rank], rtol=1e-10, atol=0)
        assert values[rank] == pytest.approx(float(exact[rank]), rel=0.3)
        residual = gradient - vectors[:, :rank] @ (vectors[:, :rank].T @ gradient.double())
        assert torch.linalg.matrix_norm(residual, 2) < 1.01 * exact[rank]

    @pytest.mark.parametrize(("m", "n"), [(300, 900), (900, 300)])
    def test_all_values_of_a_noisy_matrix(self, m, n):
        gradient = low_rank(5, m, n) + 0.01 * white(m, n)
        _, values = left_spectrum(gradient, rounding_floor(gradient))
        torch.testing.assert_close(values, torch.linalg.svdvals(gradient))

    def test_products_in_chunks(self, monkeypatch):
        monkeypatch.setattr("spear.inversion.factors.large_matrix.CHUNK_COLUMNS", 7)
        matrix, small = white(5, 30).float(), white(3, 30)
        torch.testing.assert_close(right_multiply(matrix, small), matrix.double() @ small.T)
        torch.testing.assert_close(
            left_multiply(white(3, 5), matrix), white(3, 5) @ matrix.double()
        )


class TestWhiteNoise:
    def test_signals_come_out_of_the_noisy_singular_values(self):
        """The formula of Benaych-Georges and Nadakuditi, and back."""
        theta, variance, m, n = torch.tensor([90.0, 50.0, 40.0]).double(), 1.5, 200, 800
        noisy_squares = (theta**2 + variance * n) * (theta**2 + variance * m) / theta**2
        found = signal_strengths(noisy_squares.sqrt(), variance, m, n)
        torch.testing.assert_close(found, theta**2)

    @pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
    def test_deviations_are_those_of_the_zeros(self, share):
        """Zeros of true directions, in units of their predicted deviation."""
        problem = picture_problem(Faces(), 8)
        sigma = share * problem.truth.weight_gradient_median()
        found, directions = true_directions(problem, sigma)
        assert found.noise.white
        zero = problem.truth.activation_gradients[found.active] == 0
        scores = (found.left @ directions / found.noise.deviation(directions))[zero]
        assert 0.8 < float(scores.square().mean().sqrt()) < 1.1
        assert float((scores.abs() > found.noise.not_zero).double().mean()) < 1e-3

    def test_true_directions_have_more_evidence_than_random_ones(self):
        problem = picture_problem(Faces(), 8)
        found, directions = true_directions(problem, problem.truth.weight_gradient_median())
        random = unit_columns(white(8, 500))
        assert sparsity(found, directions).min() > sparsity(found, random).max()


class TestProof:
    """What a pattern proves, on true directions with some entries of it turned."""

    def judge(self, found: Factorization, problem: Problem, switched: int, off: int) -> Status:
        disaggregation = true_disaggregation(found, problem.truth)
        directions = unit_columns(disaggregation)
        signs = activity(found, directions)
        inactive, active = ((signs[:, 0] == side).nonzero().flatten() for side in (-1, 1))
        signs[inactive[:switched], 0] = 1
        signs[active[:off], 0] = -1
        matched = agreement(found, torch.linalg.inv(disaggregation), signs)
        return verdict(found, directions, signs, matched)

    @pytest.mark.parametrize(
        ("switched", "off", "status"),
        [
            (0, 0, Status.EXACT),
            (1, 0, Status.APPROXIMATE),
            (20, 2, Status.APPROXIMATE),
            (40, 0, Status.PARTIAL),
            (0, 10, Status.PARTIAL),
        ],
    )
    def test_without_noise(self, switched, off, status):
        problem = picture_problem(Faces(), 6)
        assert self.judge(factorized(problem.observation), problem, switched, off) is status

    @pytest.mark.parametrize(
        ("off", "status"), [(0, Status.APPROXIMATE), (3, Status.APPROXIMATE), (20, Status.PARTIAL)]
    )
    def test_white_noise_hides_some_states_and_is_never_exact(self, off, status):
        problem = picture_problem(Faces(), 6)
        sigma = 0.05 * problem.truth.weight_gradient_median()
        found = factorized(noisy(problem, sigma))
        assert found.noise.white
        assert self.judge(found, problem, 0, off) is status


def test_lambda_tells_a_mixture_from_the_directions_that_it_mixes():
    """The second stage of GreedyFilter, where noise leaves their sparsity alike."""
    problem = picture_problem(Faces(), 6)
    found, directions = true_directions(problem, 0.05 * problem.truth.weight_gradient_median())
    true = directions.T
    mixture = unit_columns((true[0] + true[1])[:, None]).T
    wrong = torch.cat([mixture, true[1:]])
    basis = Basis(wrong, activity(found, wrong.T).T)
    mended = exchanged(found, basis, torch.cat([wrong, true[:1]]))
    assert torch.allclose((mended.directions @ true.T).abs().amax(dim=0), torch.ones(6).double())


def with_true_pattern(problem: Problem, observation: Observation) -> Reconstruction:
    """The oracle: least squares for X with the true dL/dZ of the clean gradient."""
    gradients = problem.truth.activation_gradients.double()
    inputs = torch.linalg.lstsq(gradients, observation.weight_gradient.double()).solution
    empty = Reconstruction.empty(observation.m, observation.n, Status.FAILED)
    return dataclasses.replace(empty, inputs=inputs, activation_gradients=gradients)


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_within_3_db_of_the_least_squares_bound(share):
    dataset = Faces()
    problem = picture_problem(dataset, 6)
    observation = noisy(problem, share * problem.truth.weight_gradient_median())
    found = SpearIrls(time_limit=10)(observation)
    assert found.status is Status.APPROXIMATE
    scorer = Scorer(dataset)
    bound = scorer(with_true_pattern(problem, observation), problem.truth)["psnr"]
    assert scorer(found, problem.truth)["psnr"] > bound - 3


def test_clipping_alone_costs_nothing():
    """App. E.6: it scales columns of dL/dZ."""
    dataset = Faces()
    problem = picture_problem(dataset, 8)
    defended = Client(problem.network, defense=DPSGD(0.5, 0.0)).share(problem.batch).observe(1)
    found = SpearIrls()(defended)
    assert found.status is Status.EXACT
    assert Scorer(dataset)(found, problem.truth)["psnr_min"] > 130


@pytest.mark.parametrize(
    ("epochs", "batch_size", "normalize"), [(1, None, True), (10, None, True), (5, 3, True)]
)
def test_local_epochs_are_inverted(epochs, batch_size, normalize):
    """Sums over steps are not zero where a step switched a neuron on (App. F)."""
    dataset = Faces(normalize=normalize)
    problem = picture_problem(dataset, 8)
    client = Client(problem.network, fedavg=FedAvg(epochs, 0.01, batch_size))
    update = client.share(problem.batch, generator())
    found = SpearIrls(time_limit=10)(update.observe(1))
    assert found.status is Status.APPROXIMATE
    assert Scorer(dataset)(found, problem.truth)["psnr_min"] > 80
