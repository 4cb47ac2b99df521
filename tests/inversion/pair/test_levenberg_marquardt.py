"""Levenberg-Marquardt on problems whose minima are known."""

import math

import pytest
import torch
from torch import Tensor

from spear.inversion.pair.levenberg_marquardt import minimise


class Linear:
    """|A x - y|^2, which also counts the points at which it was linearised."""

    def __init__(self, matrix: Tensor, right: Tensor) -> None:
        self.matrix, self.right = matrix, right
        self.linearised: list[int] = []

    def cost(self, points: Tensor) -> Tensor:
        return (points @ self.matrix.T - self.right).square().sum(dim=1)

    def normal_equations(self, points: Tensor) -> tuple[Tensor, Tensor]:
        self.linearised.append(len(points))
        matrices = (self.matrix.T @ self.matrix).expand(len(points), -1, -1).clone()
        return matrices, (points @ self.matrix.T - self.right) @ self.matrix


class Rosenbrock:
    """(1 - x)^2 + 100 (y - x^2)^2, of minimum 0 at (1, 1)."""

    def residuals(self, points: Tensor) -> Tensor:
        x, y = points.T
        return torch.stack([1 - x, 10 * (y - x.square())], dim=1)

    def cost(self, points: Tensor) -> Tensor:
        return self.residuals(points).square().sum(dim=1)

    def normal_equations(self, points: Tensor) -> tuple[Tensor, Tensor]:
        x = points[:, 0]
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        jacobian = torch.stack(
            [torch.stack([-one, zero], dim=1), torch.stack([-20 * x, 10 * one], dim=1)], dim=1
        )
        residuals = self.residuals(points)[:, :, None]
        return jacobian.mT @ jacobian, (jacobian.mT @ residuals)[:, :, 0]


def linear(rows: int = 12, size: int = 4, consistent: bool = False) -> tuple[Linear, Tensor]:
    """A problem and its solution."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(rows, size, generator=generator, dtype=torch.float64)
    right = torch.randn(rows, generator=generator, dtype=torch.float64)
    if consistent:
        right = matrix @ right[:size]
    return Linear(matrix, right), torch.linalg.lstsq(matrix, right[:, None]).solution[:, 0]


def starts(count: int, size: int, scale: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return scale * torch.randn(count, size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("consistent", [True, False])
def test_it_reaches_the_least_squares_solution_from_everywhere(consistent: bool) -> None:
    objective, solution = linear(consistent=consistent)
    points, costs = minimise(objective, starts(9, 4), 60, enough=1e-26, promising=math.inf)
    torch.testing.assert_close(points, solution.expand(9, -1), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(costs, objective.cost(points), rtol=1e-12, atol=1e-30)
    least = objective.cost(solution[None])
    assert (costs <= least * (1 + 1e-12) + 1e-24).all()


def test_a_curved_valley_is_followed_to_its_end() -> None:
    points, costs = minimise(Rosenbrock(), starts(20, 2), 100, enough=1e-24, promising=1e-6)
    assert (costs < 1e-20).all()
    torch.testing.assert_close(points, torch.ones_like(points), rtol=0, atol=1e-9)


def test_a_start_that_stalls_above_the_promising_cost_leaves() -> None:
    objective, _ = linear()
    least = float(objective.cost(linear()[1][None]))
    minimise(objective, starts(9, 4), 60, enough=0.0, promising=least / 2)
    assert len(objective.linearised) < 10
    assert objective.linearised == sorted(objective.linearised, reverse=True)
    patient, _ = linear()
    minimise(patient, starts(9, 4), 60, enough=0.0, promising=2 * least)
    assert sum(patient.linearised) > sum(objective.linearised)


def test_a_start_below_enough_does_not_move() -> None:
    objective, solution = linear(consistent=True)
    given = torch.stack([solution + 1e-3, solution + 3.0])
    points, _ = minimise(objective, given, 60, enough=1e-2, promising=1.0)
    assert torch.equal(points[0], given[0])
    assert objective.linearised[0] == 1
    assert objective.cost(points)[1] < 1e-2


@pytest.mark.parametrize("objective", [linear()[0], Rosenbrock()])
def test_many_starts_at_once_are_each_by_itself(objective: Linear | Rosenbrock) -> None:
    size = 2 if isinstance(objective, Rosenbrock) else 4
    given = starts(12, size)
    points, costs = minimise(objective, given, 7, enough=1e-12, promising=1e-3)
    for k in range(len(given)):
        point, cost = minimise(objective, given[k : k + 1], 7, enough=1e-12, promising=1e-3)
        torch.testing.assert_close(point[0], points[k], rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(cost[0], costs[k], rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("iterations", [0, 1, 2, 5, 20])
def test_no_step_raises_the_cost(iterations: int) -> None:
    given = starts(20, 2, scale=10.0)
    before = given.clone()
    points, costs = minimise(Rosenbrock(), given, iterations, enough=0.0, promising=0.0)
    assert torch.equal(given, before)
    assert (costs <= Rosenbrock().cost(given)).all()
    torch.testing.assert_close(costs, Rosenbrock().cost(points), rtol=1e-12, atol=0)
    if iterations == 0:
        assert torch.equal(points, given)


def test_a_matrix_that_cannot_be_factorised_moves_nothing() -> None:
    objective = Linear(torch.zeros(3, 2).double(), torch.ones(3).double())
    points, costs = minimise(objective, starts(2, 2), 20, enough=0.0, promising=0.0)
    assert torch.equal(points, starts(2, 2))
    assert torch.equal(costs, torch.full((2,), 3.0).double())
