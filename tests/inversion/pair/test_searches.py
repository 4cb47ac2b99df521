"""The descents on forward and on backward consistency."""

import pytest
import torch
from support.pairs import ALL, SMOOTH, PairCase, pair_case, relative
from torch import Tensor

from spear.inversion.pair import forward_search
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.backward_search import (
    NORMALISED,
    BackwardConsistency,
    backward_renewed,
    on_neurons,
)
from spear.inversion.pair.forward_search import solved_rows
from spear.inversion.pair.rows import RowSpace

NARROW = {"b": 5, "classes": 4, "depth": 2, "m": 40}


def objective_of(case: PairCase) -> tuple[BackwardConsistency, RowSpace]:
    space = RowSpace.of(case.problem)
    neurons = torch.randperm(40, generator=torch.Generator().manual_seed(0))[:35]
    return on_neurons(case.problem, space, neurons), space


def residual(objective: BackwardConsistency, point: Tensor) -> Tensor:
    """All of its equations, written out, with sigma' by autograd."""
    q, v, e = (part[0] for part in objective.parts(point[None]))
    z = objective.predictor @ v + objective.base
    if not z.requires_grad:
        z = z.requires_grad_()
    values = objective.activation.value(z).sum()
    slope = torch.autograd.grad(values, z, create_graph=True)[0]
    columns = objective.left @ q
    m = len(columns)
    scale = NORMALISED * m**0.5 * (columns.square().sum() / m - 1)
    return torch.cat([columns - slope * (objective.back @ e), scale[None]])


@pytest.mark.parametrize("name", SMOOTH)
def test_backward_normal_equations_are_those_of_autograd(name: str) -> None:
    objective, space = objective_of(pair_case(name, **NARROW))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    v = space.random(3, generator)
    others = torch.randn(3, 8, generator=generator, dtype=torch.float64)
    points = torch.cat([others[:, :5], v, others[:, 5:]], dim=1)
    costs = objective.cost(points)
    matrices, gradients = objective.normal_equations(points)
    for k, point in enumerate(points):
        r = residual(objective, point).detach()
        J = torch.autograd.functional.jacobian(lambda x: residual(objective, x), point)
        torch.testing.assert_close(costs[k], r.square().sum(), rtol=1e-10, atol=0)
        assert relative(matrices[k], J.T @ J) < 1e-9
        assert relative(gradients[k], J.T @ r) < 1e-9


def test_a_direction_of_no_length_gives_a_finite_point() -> None:
    """Where the slopes leave nothing for an aim, as behind a hardtanh in noise."""
    objective, space = objective_of(pair_case("hardtanh", **NARROW))  # type: ignore[arg-type]
    v = space.random(2, torch.Generator().manual_seed(0))
    points = objective.start(v, torch.zeros(2, 5, dtype=torch.float64))
    assert bool(points.isfinite().all())


@pytest.mark.parametrize("name", SMOOTH)
def test_true_samples_are_points_of_cost_0(name: str) -> None:
    case = pair_case(name, **NARROW)  # type: ignore[arg-type]
    objective, space = objective_of(case)
    points = objective.point(case.samples, space.coordinates(case.rows))
    assert (objective.cost(points) < 1e-18).all()
    lengths = (points[:, :5] @ objective.left.T).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, 35**0.5))


def test_starts_have_the_right_length_and_their_best_next_gradient() -> None:
    objective, space = objective_of(pair_case("gelu", **NARROW))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    aims = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    points = objective.start(space.random(6, generator), aims)
    _, gradients = objective.normal_equations(points)
    assert gradients[:, -3:].abs().max() < 1e-9  # least squares in e
    lengths = (points[:, :5] @ objective.left.T).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, 35**0.5))


@pytest.mark.parametrize("name", ALL)
def test_nearly_right_rows_get_right_by_forward_consistency(name: str) -> None:
    case = pair_case(name, b=5)
    noise = torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    near = case.rows * (1 + 1e-5 * noise)
    found, which = solved_rows(case.problem, near)
    assert which.tolist() == [0, 1, 2, 3, 4]
    assert relative(found, case.rows) < 1e-6
    wrong = (case.rows[:1] + case.rows[1:2] * 3) / 4
    given = torch.cat([near[:2], wrong, near[2:]])
    again, which = solved_rows(case.problem, given, torch.arange(0, 60, 2))
    assert set(which.tolist()) >= {0, 1, 3, 4, 5}
    distances = torch.cdist(again, case.rows) / case.rows.norm(dim=1)
    assert float(distances.amin(dim=1).max()) < 1e-3


@pytest.mark.parametrize("name", SMOOTH)
def test_nearly_right_samples_get_right_by_backward_consistency(name: str) -> None:
    case = pair_case(name, **NARROW)  # type: ignore[arg-type]
    found = backward_renewed(case.problem, case.samples)
    assert relative(found.rows, case.rows) < 1e-6


@pytest.mark.parametrize("name", ALL)
def test_the_plane_of_one_sample_is_solved(name: str) -> None:
    case = pair_case(name, b=1)
    assert relative(solved_rows(case.problem, case.rows)[0], case.rows) < 1e-12


def finds(case: PairCase) -> int:
    """Samples that some rounds of forward consistency find."""
    generator = torch.Generator().manual_seed(0)
    return sum(len(forward_search.forward_round(case.problem, generator)[0]) for _ in range(4))


@pytest.mark.parametrize("name", ["selu", "prelu"])
def test_descent_that_rounds_corners_passes_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = pair_case(name, b=20, m=80, scale=0.6)
    rounded = finds(case)
    monkeypatch.setattr(forward_search, "WIDTH", 1e-9)
    assert rounded > 2 * finds(case)


def test_mixtures_of_two_samples_are_led_along_the_valley() -> None:
    """With few classes a mixture is nearly a solution; Gauss-Newton steps alone stop on the way."""
    case = pair_case("hardswish", b=30, m=110, classes=6, depth=2, dtype=torch.float32)
    mixed = 0.9 * case.rows + 0.1 * case.rows.roll(1, 0)
    found = backward_renewed(case.problem, samples_of_rows(case.problem, mixed)[0]).rows
    distances = torch.cdist(found, case.rows).amin(dim=1) / case.rows.norm(dim=1).mean()
    assert len(found) == case.b
    assert float(distances.max()) < 1e-4
