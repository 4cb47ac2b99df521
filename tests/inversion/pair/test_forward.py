"""Forward consistency: it holds for true rows alone, from 2 b - 1 neurons on."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pairs import ALL, PIECEWISE, SMOOTH, PairCase, pair_case
from torch import Tensor

from spear.inversion.pair.forward import ForwardConsistency
from spear.inversion.pair.forward_search import on_neurons
from spear.inversion.pair.rows import RowSpace

HOLDS = {torch.float64: 1e-20, torch.float32: 1e-9}
"""Squared relative residual of a true row."""

per_dtype = pytest.mark.parametrize("dtype", list(HOLDS), ids=str)


def chosen(m: int, count: int, seed: int) -> Tensor:
    return torch.randperm(m, generator=torch.Generator().manual_seed(seed))[:count]


def residual(objective: ForwardConsistency, point: Tensor) -> Tensor:
    """The part of sigma(z) outside the space, written out."""
    a = objective.activation.value(objective.predictor @ point + objective.base)
    return a - objective.space.T @ (objective.space @ a)


def jacobian(objective: ForwardConsistency, point: Tensor) -> Tensor:
    return torch.autograd.functional.jacobian(lambda v: residual(objective, v), point)


@per_dtype
@settings(max_examples=20)
@given(name=st.sampled_from(ALL), b=st.integers(2, 5), seed=st.integers(0, 1000), data=st.data())
def test_it_holds_for_true_rows_and_fails_for_others(dtype, name, b, seed, data):
    """Behind a kink, rows between two true ones of one pattern solve it, too."""
    case = pair_case(name, b=b, m=50, dtype=dtype, seed=seed)
    problem, space = case.problem, RowSpace.of(case.problem)
    count = data.draw(st.integers(6 * b, 50))
    for objective in (
        on_neurons(problem, space),
        on_neurons(problem, space, chosen(50, count, seed)),
    ):
        neurons = len(objective.base)
        true = objective.cost(space.coordinates(case.rows)) / neurons
        assert (true < HOLDS[dtype]).all()
        if name in SMOOTH and b > 2:  # on a line, many are near a true one
            others = space.random(20, torch.Generator().manual_seed(seed))
            assert (objective.cost(others) / neurons > 1e3 * true.max()).all()


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("b", [3, 5])
def test_from_2b_minus_1_neurons_on_a_row_is_isolated(name: str, b: int) -> None:
    """m - b equations of full rank in b - 1 unknowns."""
    case = pair_case(name, b=b)
    space = RowSpace.of(case.problem)
    points = space.coordinates(case.rows)
    for count in range(2 * b - 3, 2 * b + 2):
        objective = on_neurons(case.problem, space, chosen(60, count, 0))
        for point in points:
            values = torch.linalg.svdvals(jacobian(objective, point))
            rank = int((values > 1e-11 * objective.predictor.norm()).sum())
            assert rank == min(b - 1, count - b), (count, values)


@pytest.mark.parametrize("name", ALL)
def test_normal_equations_are_those_of_autograd(name: str) -> None:
    """Of the residual over the length of a, which counts as constant."""
    case = pair_case(name, b=4, m=30)
    space = RowSpace.of(case.problem)
    objective = on_neurons(case.problem, space, chosen(30, 25, 0))
    points = space.random(5, torch.Generator().manual_seed(1))
    costs = objective.cost(points)
    matrices, gradients = objective.normal_equations(points)
    for k, point in enumerate(points):
        a = objective.activation.value(objective.predictor @ point + objective.base)
        scale = len(objective.base) ** 0.5 / a.norm()
        r, J = scale * residual(objective, point), scale * jacobian(objective, point)
        torch.testing.assert_close(costs[k], r.square().sum(), rtol=1e-10, atol=0)
        torch.testing.assert_close(
            matrices[k], J.T @ J, rtol=1e-8, atol=1e-8 * float(J.norm()) ** 2
        )
        torch.testing.assert_close(gradients[k], J.T @ r, rtol=1e-8, atol=1e-8 * float(J.norm()))


@pytest.mark.parametrize("name", PIECEWISE)
def test_with_the_true_pieces_one_solve_gives_the_row(name: str) -> None:
    case = pair_case(name)
    space = RowSpace.of(case.problem)
    pieces = case.problem.activation.pieces
    assert pieces is not None
    objective = on_neurons(case.problem, space)
    points = objective.of_pieces(pieces.slope(case.z), pieces.offset(case.z))
    torch.testing.assert_close(points, space.coordinates(case.rows), rtol=1e-7, atol=1e-9)


def test_any_pieces_give_the_nearest_point() -> None:
    objective = objective_of(pair_case("leaky_relu", b=4, m=30))
    generator = torch.Generator().manual_seed(0)
    slopes, offsets = torch.randn(2, 6, 30, generator=generator, dtype=torch.float64)
    points = objective.of_pieces(slopes, offsets)
    outside = torch.eye(30, dtype=torch.float64) - objective.space.T @ objective.space
    for k in range(6):
        system = outside @ (slopes[k, :, None] * objective.predictor)
        right = outside @ (slopes[k] * objective.base + offsets[k])
        expected = torch.linalg.lstsq(system, -right).solution
        torch.testing.assert_close(points[k], expected, rtol=1e-8, atol=1e-10)


def test_pieces_without_information_give_no_numbers_out_of_range() -> None:
    objective = objective_of(pair_case("relu", b=4, m=30))
    nothing = torch.zeros(2, 30, dtype=torch.float64)
    assert not objective.of_pieces(nothing, nothing).any()


def objective_of(case: PairCase) -> ForwardConsistency:
    return on_neurons(case.problem, RowSpace.of(case.problem))
