"""The factors of a gradient: as good as an SVD's, chunk by chunk, with their noise."""

import dataclasses

import pytest
import torch
from support.problems import (
    WeightedLoss,
    factorized,
    make_problem,
    sine_distance,
)
from support.recovery import (
    generator,
)

from spear.observation import Observation


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
