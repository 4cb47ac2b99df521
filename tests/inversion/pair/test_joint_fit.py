"""The joint fit: its Jacobian, and that it makes rows better and never worse."""

from dataclasses import replace

import pytest
import torch
from support.pairs import ALL, SMOOTH, PairCase, pair_case, relative
from torch import Tensor

from spear.inversion.pair import joint_fit
from spear.inversion.pair.joint_fit import JointFit, Linearised, Solution, refit
from spear.inversion.pair.problem import PairProblem, pair_problem

RANKS = {"spanning": (4, 10), "fewer": (5, 4)}
per_activation = pytest.mark.parametrize("name", ALL)
per_rank = pytest.mark.parametrize("shape", RANKS)


def made(name: str, shape: str, dtype: torch.dtype = torch.float64, seed: int = 0) -> PairCase:
    b, classes = RANKS[shape]
    return pair_case(name, b=b, classes=classes, depth=2, m=40, dtype=dtype, seed=seed)


def near(case: PairCase, relative_error: float, seed: int = 0) -> Tensor:
    """True rows with random errors."""
    generator = torch.Generator().manual_seed(seed)
    errors = torch.randn(case.rows.shape, generator=generator, dtype=torch.float64)
    return case.rows + relative_error * errors * case.rows.norm() / errors.norm()


def random_parts(*like: Tensor, seed: int = 1) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(x.shape, generator=generator, dtype=torch.float64) for x in like)


def squares(parts: tuple[Tensor, ...]) -> float:
    return float(sum(each.square().sum() for each in parts))


@per_activation
@per_rank
def test_the_truth_has_no_residual(name: str, shape: str) -> None:
    case = made(name, shape)
    fit = JointFit(case.problem)
    start = fit.start(case.rows)
    behind = case.pair.next_weight.T @ case.next_gradients
    assert relative(case.problem.back @ start.next_coordinates, behind) < 1e-9
    wrong = fit.residuals(fit.start(near(case, 1e-3)))
    assert squares(fit.residuals(start)) < 1e-12 * squares(wrong)


def linearised(name: str, shape: str, next_bias: bool) -> tuple[JointFit, Solution, Linearised]:
    """The fit of a pair, linearised near the truth."""
    case = made(name, shape)
    problem = case.problem if next_bias else replace(case.problem, next_bias=None)
    fit = JointFit(problem)
    at = fit.start(near(case, 0.01))
    linear = Linearised(fit, at)
    return fit, at, linear


@per_activation
@per_rank
@pytest.mark.parametrize("next_bias", [True, False])
def test_products_with_the_jacobian_are_differences_of_residuals(
    name: str, shape: str, next_bias: bool
) -> None:
    fit, at, linear = linearised(name, shape, next_bias)
    x = random_parts(at.rows, at.next_coordinates)
    rows, nexts = linear.step(x)
    h = 1e-5 * float(at.rows.norm() / rows.norm())
    above, below = (
        fit.residuals(Solution(at.rows + t * rows, at.next_coordinates + t * nexts))
        for t in (h, -h)
    )
    found = linear.times(*x)
    assert len(found) == (4 if next_bias else 3)
    for product, right, left in zip(found, above, below, strict=True):
        expected = (left - right) / (2 * h)
        assert relative(product, expected) < 1e-5


@per_activation
@per_rank
@pytest.mark.parametrize("next_bias", [True, False])
def test_the_transpose_is_the_adjoint(name: str, shape: str, next_bias: bool) -> None:
    _, at, linear = linearised(name, shape, next_bias)
    x = random_parts(at.rows, at.next_coordinates)
    image = linear.times(*x)
    y = random_parts(*image, seed=2)
    back = linear.transposed_times(y)
    left = sum(float((a * c).sum()) for a, c in zip(image, y, strict=True))
    right = sum(float((a * c).sum()) for a, c in zip(x, back, strict=True))
    scale = (squares(image) * squares(y)) ** 0.5
    assert left == pytest.approx(right, rel=1e-9, abs=1e-12 * scale)


@pytest.mark.parametrize("name", SMOOTH)
@per_rank
@pytest.mark.parametrize("error", [1e-4])
@pytest.mark.few(11)
def test_rows_with_errors_get_better(name: str, shape: str, error: float) -> None:
    case = made(name, shape, dtype=torch.float32)
    start = near(case, error)
    found = refit(case.problem, start)
    fit = JointFit(case.problem)
    assert squares(fit.residuals(fit.start(found))) <= squares(fit.residuals(fit.start(start)))
    assert relative(found, case.rows) < 0.3 * relative(start, case.rows)


@pytest.mark.parametrize("name", ["gelu", "sigmoid", "hardtanh", "relu"])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("error", [0.0, 0.1, 1.0])
@pytest.mark.few(7)
def test_no_start_gets_worse(name: str, seed: int, error: float) -> None:
    case = made(name, "spanning", dtype=torch.float32, seed=seed)
    start = near(case, error, seed)
    fit = JointFit(case.problem)
    found = refit(case.problem, start)
    assert found.isfinite().all()
    before, after = (squares(fit.residuals(fit.start(rows))) for rows in (start, found))
    # E of `start` is by least squares on G2 alone, so that equal sums differ a little.
    assert after <= 1.1 * before


def test_noise_is_fitted_to_its_expected_size() -> None:
    """Sums of squares in deviations are near the degrees of freedom, and below the truth's."""
    case = pair_case("gelu", b=3, m=40, n=50, classes=50)
    gradient, next_gradient = case.pair.first.weight_gradient, case.pair.next_weight_gradient
    generator = torch.Generator().manual_seed(0)
    noisy = []
    for each in (gradient, next_gradient):
        noise = torch.randn(each.shape, generator=generator, dtype=torch.float64)
        noisy.append(each + 1e-4 * each.std() * noise)
    first = replace(case.pair.first, weight_gradient=noisy[0])
    pair = replace(case.pair, first=first, next_weight_gradient=noisy[1])
    problem = pair_problem(pair)
    assert isinstance(problem, PairProblem)
    true = torch.linalg.inv(torch.linalg.lstsq(problem.left, case.gradients).solution)
    fit = JointFit(problem)
    found = refit(problem, true)
    before, after = (squares(fit.residuals(fit.start(rows))[::2]) for rows in (true, found))
    assert after < before
    equations = problem.b * problem.m + problem.r * problem.m
    unknowns = found.numel() + problem.r * problem.b
    # The errors of R, which move Z, are not among the unknowns: hence more than 1 a degree.
    assert 0.5 * (equations - unknowns) < after < 5 * (equations - unknowns)


def test_a_fit_that_one_step_has_settled_takes_no_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Near the truth the equations are linear, so that a step reaches the cost it predicts."""
    case = made("gelu", "spanning", dtype=torch.float32)
    predicted: list[Tensor | None] = []
    solve = joint_fit._least_squares

    def noted(
        linear: Linearised, residuals: tuple[Tensor, ...]
    ) -> tuple[tuple[Tensor, Tensor], Tensor | None]:
        step, cost = solve(linear, residuals)
        predicted.append(cost)
        return step, cost

    monkeypatch.setattr(joint_fit, "_least_squares", noted)
    start = near(case, 1e-6)
    fit = JointFit(case.problem)
    found = refit(case.problem, start)
    (cost,) = predicted
    assert cost is not None
    before, after = (squares(fit.residuals(fit.start(rows))) for rows in (start, found))
    assert float(cost) < before
    # E of `start` is by least squares on G2 alone, so that its cost is a little above the fit's.
    assert float(cost) <= after <= 1.3 * float(cost)
