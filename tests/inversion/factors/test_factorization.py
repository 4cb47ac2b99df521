"""The whitened decomposition, its accuracy and its idea of noise."""

import pytest
import torch
from torch import nn

from spear import Status, invert
from spear.inversion.directions.zeros import zero_pattern
from spear.inversion.factors.factorization import factorize
from spear.inversion.factors.large_matrix import CHUNK_COLUMNS
from spear.observation import Observation


def observe(inputs: torch.Tensor, m: int = 100) -> Observation:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer, head = nn.Linear(inputs.shape[1], m), nn.Linear(m, 10)
    labels = torch.arange(len(inputs)) % 10
    nn.functional.cross_entropy(head(layer(inputs).relu()), labels).backward()
    assert layer.weight.grad is not None
    assert layer.bias.grad is not None
    return Observation(
        layer.weight.detach(), layer.bias.detach(), layer.weight.grad, layer.bias.grad
    )


def flat_pictures(b: int, areas: int, pixels: int) -> torch.Tensor:
    """Pictures of a few areas of constant brightness, whose rounding errors repeat."""
    values = torch.randn(b, areas, generator=torch.Generator().manual_seed(1))
    return values.repeat_interleave(pixels, dim=1)


def test_factors_agree_with_the_singular_value_decomposition():
    observation = observe(flat_pictures(6, 300, 1))
    problem = factorize(observation)
    assert not isinstance(problem, Status)
    gradient = observation.weight_gradient[problem.active].double()
    exact = torch.linalg.svdvals(gradient)[:6]
    torch.testing.assert_close(problem.singular_values, exact, rtol=1e-12, atol=0)
    identity = problem.left.T @ problem.left / len(problem.left)
    torch.testing.assert_close(identity, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-12)
    assert (problem.left @ problem.right - gradient).abs().max() < 1e-6 * gradient.abs().max()


def test_columns_in_chunks_change_nothing(monkeypatch):
    observation = observe(flat_pictures(5, 500, 1))
    whole = factorize(observation)
    monkeypatch.setattr("spear.inversion.factors.large_matrix.CHUNK_COLUMNS", 77)
    chunked = factorize(observation)
    assert not isinstance(whole, Status)
    assert not isinstance(chunked, Status)
    assert CHUNK_COLUMNS > 500
    signs = (whole.left * chunked.left).sum(dim=0).sign()
    torch.testing.assert_close(whole.left, chunked.left * signs, rtol=0, atol=1e-9)
    torch.testing.assert_close(whole.noise.rows, chunked.noise.rows, rtol=0.1, atol=0)
    lengths = torch.linalg.vector_norm(observation.weight.double(), dim=1)
    torch.testing.assert_close(chunked.weight_norms, lengths, rtol=1e-14, atol=0)


@pytest.mark.parametrize("pixels", [1, 30, 300])
def test_rounding_errors_that_repeat_are_not_taken_for_signal(pixels):
    observation = observe(flat_pictures(8, 100, pixels))
    found = invert(
        observation.weight, observation.bias, observation.weight_gradient, observation.bias_gradient
    )
    assert found.status == Status.EXACT


def test_zeros_of_true_directions_are_seen_and_nothing_else():
    inputs = flat_pictures(8, 100, 100)
    observation = observe(inputs)
    problem = factorize(observation)
    assert not isinstance(problem, Status)
    right_inverse = torch.linalg.pinv(inputs.double())
    true = problem.right @ right_inverse
    true /= torch.linalg.vector_norm(true, dim=0)
    z = inputs.double() @ observation.weight.double().T + observation.bias
    inactive = (z.T <= 0)[problem.active]
    assert torch.equal(zero_pattern(problem, true), inactive)
