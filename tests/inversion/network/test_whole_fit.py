"""The whole batch fitted to the gradients of all layers, given its labels."""

import pytest
import torch
from torch.nn.functional import one_hot

from spear.client.client import Client
from spear.data import Batch
from spear.inversion import SpearPairToLoss
from spear.inversion.network.mixture_equations import MixtureEquations
from spear.inversion.network.reproduction import in_float64
from spear.inversion.network.whole_fit import WholeFit
from spear.inversion.pair.problem import pair_problem
from spear.inversion.pair.rows import RowSpace
from spear.networks import fcnn

B = 5


def case(activation="tanh", depth=4):
    model = fcnn((40,), 10, 60, depth, activation=activation)
    generator = torch.Generator().manual_seed(1)
    data = Batch(torch.randn(B, 40, generator=generator), torch.tensor([3, 7, 1, 3, 2]))
    chain = in_float64(SpearPairToLoss().observe(Client(model).share(data)))
    problem = pair_problem(chain.pair(0))
    rows = torch.linalg.lstsq(problem.first.right.T, data.inputs.double().T).solution.T
    return chain, problem, data, rows


def relative(found, wanted) -> float:
    return float(torch.linalg.vector_norm(found - wanted) / torch.linalg.vector_norm(wanted))


@pytest.mark.parametrize(("activation", "depth"), [("tanh", 4), ("gelu", 2), ("hardtanh", 3)])
def test_normal_equations_are_those_of_finite_differences(activation, depth):
    """slope is half the gradient of the cost, and the matrix half its Hessian where it is small."""
    chain, problem, data, rows = case(activation, depth)
    fit = WholeFit(chain, problem, data.labels, float(B))
    points = fit.space.coordinates(rows)
    away = points * (1 + 1e-3 * torch.linspace(-1, 1, points.numel()).view_as(points))
    _, _, slope = fit._equations(away)
    step = 1e-6 * torch.randn(points.shape, generator=torch.Generator().manual_seed(2)).double()
    ahead, behind = fit._equations(away + step)[0], fit._equations(away - step)[0]
    assert relative((slope * step).sum() * 4, ahead - behind) < 1e-4
    # At the truth the residual is at rounding, so that J^T J makes the second difference.
    _, matrix, _ = fit._equations(points)
    large = 100 * step
    cost, there = fit._equations(points)[0], fit._equations(points + large)[0]
    back = fit._equations(points - large)[0]
    curved = large.flatten() @ matrix @ large.flatten()
    assert relative(there + back - 2 * cost, 2 * curved) < 1e-2


@pytest.mark.parametrize("activation", ["tanh", "hardtanh"])
def test_the_blocks_of_the_mixture_are_those_of_finite_differences(activation):
    chain, problem, data, rows = case(activation)
    equations = MixtureEquations(chain, problem, RowSpace.of(problem), data.labels, float(B))
    away = RowSpace.of(problem).coordinates(rows).flatten()[None] * 1.01
    _, slope = equations.normal_equations(away)
    step = 1e-6 * torch.randn(away.shape, generator=torch.Generator().manual_seed(2)).double()
    change = equations.cost(away + step) - equations.cost(away - step)
    assert relative(4 * (slope * step).sum(), change[0]) < 1e-5
    points = RowSpace.of(problem).coordinates(rows).flatten()[None]
    matrix, _ = equations.normal_equations(points)
    large = 1e3 * step
    change = equations.cost(points + large) + equations.cost(points - large)
    change = change - 2 * equations.cost(points)
    assert relative(2 * large[0] @ matrix[0] @ large[0], change[0]) < 2e-2


def test_a_batch_that_is_nearly_right_becomes_right_within_its_bound():
    chain, problem, data, rows = case("hardtanh")
    fit = WholeFit(chain, problem, data.labels, float(B))
    generator = torch.Generator().manual_seed(3)
    points = fit.space.coordinates(rows)
    noise = torch.randn(points.shape, generator=generator).double()
    off = fit.space.rows(points + 1e-5 * points.abs().mean() * noise)
    found = fit.refined(off)
    true = data.inputs.double()
    before = torch.linalg.vector_norm(off @ problem.first.right - true, dim=1)
    errors = torch.linalg.vector_norm(found.rows @ problem.first.right - true, dim=1)
    errors = errors / torch.linalg.vector_norm(true, dim=1)
    assert bool((errors < 1e-6).all())
    assert float(before.max()) > 1e-5
    assert bool((errors <= found.errors).all())
    assert bool((found.errors < 1e-2).all())


def test_inputs_that_no_equation_tells_have_a_large_bound():
    """Behind the identity of zero weights nothing but L is left, and labels alone say nothing."""
    chain, problem, data, rows = case("hardtanh", 2)
    last = chain.layers[1]
    last.weight.mul_(1e-9)  # all logits are alike, and so are all columns of a class
    found = WholeFit(chain, problem, data.labels, float(B)).refined(rows)
    assert float(found.errors.max()) > 1e-2
    assert one_hot(data.labels, 10).shape == (B, 10)


def test_a_direction_that_no_equation_sees_is_open():
    """A pseudoinverse would give it a variance of 0, and the batch the bound of the others."""
    chain, problem, data, rows = case("hardtanh")
    fit = WholeFit(chain, problem, data.labels, float(B))
    points = fit.space.coordinates(rows)
    cost, matrix, _ = fit._equations(points)
    assert float(fit._errors(points, cost, matrix).max()) < 1e-2
    change = torch.zeros_like(points)
    change[:2] = torch.stack([points[1] - points[0], points[0] - points[1]])  # mixes two inputs
    unit = change.flatten() / change.norm()
    blind = torch.eye(len(unit)).double() - unit[:, None] * unit
    errors = fit._errors(points, cost, blind @ matrix @ blind)
    assert float(errors[:2].min()) > 1e-2
