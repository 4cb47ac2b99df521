"""Gradient matching computes what the authors' code computes, on problems measured with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.reference_problems import FOLDER, ReferenceProblem, check_values, load
from spear.baselines.gradient_matching.attack import GradientMatching
from spear.baselines.gradient_matching.optimisers import Adam, SoftSign
from spear.baselines.gradient_matching.problem import Problem, Value
from spear.baselines.gradient_matching.schedules import WarmUpCosine

NAMES = ("cifar10_b4_s0_norm", "cifar10_b20_s0_norm")
COSINE_ROUNDING = 1e-6
"""1 - cosine in float32: the terms of either sum are summed in another order."""


@pytest.fixture
def root(data_root: Path) -> Path:
    if not (data_root / FOLDER).is_dir():
        pytest.skip(f"SPEAR_DATA has no {FOLDER}, which were measured with the authors' code")
    return data_root


def objective(problem: ReferenceProblem) -> Problem:
    attack = GradientMatching()
    return Problem(problem.update.copied("cpu"), attack.objective, attack.regularisers)


def at(problem: ReferenceProblem, candidate: Tensor) -> tuple[Value, Tensor]:
    """The objective at a candidate, and its gradient."""
    assert problem.update.labels is not None
    inputs = candidate.clone().requires_grad_()
    value = objective(problem)(inputs, problem.update.labels)
    (gradient,) = torch.autograd.grad(value.total, inputs)
    return value, gradient


@pytest.mark.parametrize("point", ["true", "mean_image_zeros"])
@pytest.mark.parametrize("name", NAMES)
def test_each_part_of_the_objective(root: Path, name: str, point: str) -> None:
    problem, expected = load(root, name), check_values(root, name)["at"][point]
    zeros = torch.zeros_like(problem.inputs)
    value, gradient = at(problem, problem.inputs if point == "true" else zeros)
    assert value.distance.item() == pytest.approx(expected["cosine"], abs=COSINE_ROUNDING)
    for term in ("total_variation", "features"):
        assert value.terms[term].item() == pytest.approx(expected[term], rel=1e-5)
    assert value.total.item() == pytest.approx(expected["total"], abs=COSINE_ROUNDING)
    assert gradient.norm().item() == pytest.approx(expected["grad_l2"], rel=1e-5)
    assert gradient.abs().sum().item() == pytest.approx(expected["grad_abs_sum"], rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_objective_along_a_run_of_the_authors_code(root: Path, name: str) -> None:
    problem, expected = load(root, name), check_values(root, name)
    assert set(expected["candidates"]) == {0, 1, 2, 10, 50, 99}
    for step, candidate in expected["candidates"].items():
        value, _ = at(problem, candidate)
        assert value.total.item() == pytest.approx(
            expected["objective"][step], abs=2 * COSINE_ROUNDING
        )


def test_the_learning_rates_of_the_authors_code(root: Path) -> None:
    rates = check_values(root, NAMES[0])["lr"]
    ours = [0.1 * WarmUpCosine()(step, 24_000) for step in range(len(rates))]
    assert ours == pytest.approx(rates, rel=1e-6)


def candidates(problem: ReferenceProblem, first: Tensor) -> Iterator[Tensor]:
    """The candidate before each step."""
    assert problem.update.labels is not None
    labels, value = problem.update.labels, objective(problem)
    inputs = first.clone().requires_grad_()
    step = Adam(transform=SoftSign()).start([inputs], 24_000)

    def closure() -> Tensor:
        total = value(inputs, labels).total
        (inputs.grad,) = torch.autograd.grad(total, inputs)
        return total

    iteration = 0
    while True:
        yield inputs.detach().clone()
        step(iteration, closure)
        inputs.data = problem.update.domain.clamp(inputs.data)
        iteration += 1


@pytest.mark.parametrize("name", NAMES)
def test_the_first_steps_are_those_of_the_authors_code(root: Path, name: str) -> None:
    problem, expected = load(root, name), check_values(root, name)["candidates"]
    for step, candidate in zip(range(51), candidates(problem, expected[0]), strict=False):
        if step in expected:
            # All are within 1e-5 here. Adam divides by the size of each entry's gradient: where
            # that is only rounding, the direction is, too, and another machine's may differ.
            near = (candidate - expected[step]).abs() <= 1e-3
            assert near.float().mean() > 0.98, step


@pytest.mark.parametrize(
    ("name", "least"), [(NAMES[0], 22.0), pytest.param(NAMES[1], 16.5, marks=pytest.mark.slow)]
)
def test_pictures_are_as_good_as_with_the_authors_code(root: Path, name: str, least: float) -> None:
    # 24.1 and 18.6 dB here; theirs have 24.2 and 19.5 after 1000 iterations.
    problem = load(root, name)
    attack = GradientMatching(iterations=250)
    assert problem.psnr(attack(attack.observe(problem.update)).inputs) > least
