"""Residuals that noise explains: predicted, and used by the searches and the proof."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from support.pairs import PairCase, noisy, pair_case
from torch import Tensor

from spear.client.client import Client
from spear.data.base import Batch
from spear.inversion import SpearPair
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.forward import residuals
from spear.inversion.pair.likelihood import Batch as Candidate
from spear.inversion.pair.likelihood import Likelihood
from spear.inversion.pair.likelihood_fit import most_likely
from spear.inversion.pair.shared_gradients import SharedGradients
from spear.inversion.pair.tolerance import backward_errors, forward_errors
from spear.reconstruction import Status
from spear.scoring.bounds import inputs_given_gradients

RELATIVE = 1e-3
"""Noise in an entry, relative to the root mean square of G1."""


@cache
def case_of(name: str, relative: float = RELATIVE) -> PairCase:
    case = pair_case(name, b=4, m=80, n=120, dtype=torch.float32)
    return replace(case, pair=noisy(case.pair, relative))


@pytest.mark.parametrize("relative", [1e-4, 1e-2])
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid"])
def test_true_rows_leave_the_residuals_that_are_predicted(name: str, relative: float) -> None:
    case = case_of(name, relative)
    problem, rows = case.problem, case.rows
    assert problem.noisy
    forward = residuals(problem, rows) / forward_errors(problem, rows)
    samples, backward = samples_of_rows(problem, rows)
    backward = backward / backward_errors(problem, samples)
    for ratio in (forward, backward):
        assert (ratio > 0.5).all()
        assert (ratio < 2.0).all()


def test_nothing_is_predicted_without_noise() -> None:
    case = pair_case("gelu", dtype=torch.float32)
    assert not case.problem.noisy
    assert not forward_errors(case.problem, case.rows).any()
    assert not backward_errors(case.problem, case.samples).any()


@pytest.mark.parametrize("name", ["relu", "gelu", "silu", "tanh"])
def test_a_noisy_pair_is_approximate_and_near_the_bound(name: str) -> None:
    case = case_of(name)
    found = SpearPair(time_limit=20.0)(case.pair)
    assert found.status is Status.APPROXIMATE
    best = inputs_given_gradients(case.pair.first.weight_gradient, case.gradients)
    lost = errors(found.inputs, case.inputs) / errors(best, case.inputs)
    assert float(20 * torch.log10(lost).mean()) < 3.0


def errors(found: Tensor, true: Tensor) -> Tensor:
    """Error of the nearest input found to each true one (b)."""
    return torch.cdist(true.double(), found.double()).amin(dim=1)


@pytest.mark.parametrize("name", ["gelu", "tanh"])
def test_the_derivatives_of_the_likelihood_are_those_of_its_residuals(name: str) -> None:
    batch = true_batch(name)
    generator = torch.Generator().manual_seed(0)
    step = [normal_like(each, generator) * each.std() for each in (batch.inputs, batch.nexts)]
    ahead, behind = (
        batch.likelihood.at(batch.inputs + h * step[0], batch.nexts + h * step[1]).residuals()
        for h in (1e-5, -1e-5)
    )
    for before, after, changed in zip(behind, ahead, batch.times(*step), strict=True):
        torch.testing.assert_close((before - after) / 2e-5, changed, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_the_transposed_jacobian_of_the_likelihood_is_the_transpose(name: str) -> None:
    batch = true_batch(name)
    generator = torch.Generator().manual_seed(0)
    x = [normal_like(each, generator) for each in (batch.inputs, batch.nexts)]
    y = tuple(normal_like(each, generator) for each in batch.residuals())
    forth = sum((a * b).sum() for a, b in zip(batch.times(*x), y, strict=True))
    back = sum((a * b).sum() for a, b in zip(batch.transposed_times(y), x, strict=True))
    torch.testing.assert_close(forth, back)


@pytest.mark.parametrize("name", ["relu", "gelu", "tanh"])
def test_the_most_likely_batch_is_nearer_and_its_misfit_is_1(name: str) -> None:
    case = case_of(name)
    generator = torch.Generator().manual_seed(0)
    off = 1e-2 * normal_like(case.rows, generator) * torch.linalg.vector_norm(case.rows, dim=1)
    found = most_likely(case.problem, torch.linalg.inv(case.rows + off))
    error = torch.linalg.vector_norm(torch.linalg.inv(found.disaggregation) - case.rows)
    assert error < torch.linalg.vector_norm(off) / 3
    assert 0.7 < found.misfit < 1.4


def test_a_mixture_of_two_samples_has_a_misfit() -> None:
    case = case_of("gelu")
    rows = case.rows.clone()
    rows[0] = rows[[0, 1]].mean(dim=0)
    rows[1] = rows[[0, 2]].mean(dim=0)
    start = likelihood_of(case).start(rows @ shared_of(case).right)
    likelihood = start.likelihood
    assert squares(start) > 2 * squares(likelihood.start(case.rows @ shared_of(case).right))


def true_batch(name: str) -> Candidate:
    case = case_of(name)
    return likelihood_of(case).start(case.rows @ shared_of(case).right)


def likelihood_of(case: PairCase) -> Likelihood:
    return Likelihood(case.problem, shared_of(case))


def shared_of(case: PairCase) -> SharedGradients:
    shared = case.problem.shared
    assert shared is not None
    return shared


def squares(batch: Candidate) -> float:
    return sum(float(each.square().sum()) for each in batch.residuals())


def normal_like(value: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(value.shape, generator=generator, dtype=value.dtype)


@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_the_next_gradient_of_another_batch_is_not_approximate(name: str) -> None:
    case = case_of(name)
    inputs = torch.randn(case.batch.inputs.shape, generator=torch.Generator().manual_seed(7))
    other = Client(case.network).share(Batch(inputs, case.batch.labels)).observe_pair(1)
    other = noisy(other, RELATIVE, seed=1)
    strange = replace(
        case.pair,
        next_weight_gradient=other.next_weight_gradient,
        next_bias_gradient=other.next_bias_gradient,
    )
    found = SpearPair(time_limit=0.5)(strange)
    assert found.status not in (Status.EXACT, Status.APPROXIMATE)
