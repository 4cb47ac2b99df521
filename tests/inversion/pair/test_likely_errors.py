"""Bounds of the errors of inputs: never below the true error, and as the Jacobian has them."""

import pytest
import torch
from support.pairs import ALL, PIECEWISE, SMOOTH, PairCase, pair_case
from torch import Tensor
from torch.autograd.functional import jacobian

from spear.inversion.directions.scale import fix_scale
from spear.inversion.factors.input_errors import ALLOWED_ERROR
from spear.inversion.pair.backward import kernels_of
from spear.inversion.pair.finish import finished
from spear.inversion.pair.forward_search import evenly_spaced
from spear.inversion.pair.isolation import isolated
from spear.inversion.pair.likely_errors import (
    DEVIATIONS,
    NEURONS,
    ROUNDING,
    deviation,
    likely_errors,
)
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.proof import evidence, verdict
from spear.inversion.pair.rows import RowSpace
from spear.reconstruction import Status

SHAPES = {"wide": (4, 10, 3), "narrow": (4, 3, 2)}
per_shape = pytest.mark.parametrize("shape", SHAPES)


def made(name: str, shape: str, dtype: torch.dtype = torch.float64, seed: int = 0) -> PairCase:
    b, classes, depth = SHAPES[shape]
    return pair_case(name, b, classes=classes, depth=depth, dtype=dtype, seed=seed)


def bounds(case: PairCase, disaggregation: Tensor) -> Tensor:
    """Of all inputs of a solution, as the proof asks for them."""
    found = evidence(case.problem, disaggregation)
    return likely_errors(
        case.problem,
        torch.linalg.inv(disaggregation),
        torch.arange(case.b),
        found.forward_error,
        found.backward_error,
    )


def true_errors(case: PairCase, disaggregation: Tensor) -> Tensor:
    found = torch.linalg.solve(disaggregation, case.problem.first.right)
    return (found - case.inputs).norm(dim=1) / case.inputs.norm(dim=1)


def moved(case: PairCase, sample: int, error: float) -> Tensor:
    """Q with one row moved in the plane s . p = 1, so that its input is off by a relative error."""
    first = case.problem.first
    change = torch.randn(case.b, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sums = first.bias_coordinates
    change -= (change @ sums) / (sums @ sums) * sums
    rows = case.rows.clone()
    size = case.inputs[sample].norm() / (change @ first.right).norm()
    rows[sample] += error * size * change
    return torch.linalg.inv(rows)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", range(3))
@per_shape
@pytest.mark.few(20)
def test_errors_of_float32_are_below_their_bound(name: str, seed: int, shape: str) -> None:
    case = made(name, shape, torch.float32, seed)
    right = finished(case.problem, case.samples)
    assert (true_errors(case, right) <= bounds(case, right)).all()


@pytest.mark.parametrize("name", SMOOTH)
@per_shape
@pytest.mark.few(10)
def test_so_is_the_error_of_a_wrong_row(name: str, shape: str) -> None:
    """Its residual says how far it is off."""
    case = made(name, shape, torch.float32)
    for error in (2 * ALLOWED_ERROR, 10 * ALLOWED_ERROR):
        wrong = moved(case, 1, error)
        assert true_errors(case, wrong)[1] == pytest.approx(error, rel=1e-2)
        assert bounds(case, wrong)[1] >= error


@pytest.fixture
def no_deviations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{likely_errors.__module__}.DEVIATIONS", 0.0)


@pytest.mark.parametrize("name", ["gelu", "tanh", "softplus"])
@per_shape
@pytest.mark.usefixtures("no_deviations")
def test_without_deviations_it_is_the_way_to_the_truth(name: str, shape: str) -> None:
    case = made(name, shape)
    assert bounds(case, moved(case, 1, 1e-5))[1] == pytest.approx(1e-5, rel=1e-2)


@pytest.mark.parametrize("name", ["leaky_relu", "hardtanh"])
@pytest.mark.usefixtures("no_deviations")
def test_so_it_is_behind_two_lines(name: str) -> None:
    case = made(name, "narrow")
    directions = case.disaggregation / case.disaggregation.norm(dim=0)
    directions[:, 2] += 1e-6 * torch.tensor([1.0, -1.0, 0.5, 2.0]).double()
    wrong = fix_scale(case.problem.first, directions)
    assert bounds(case, wrong).numpy() == pytest.approx(true_errors(case, wrong).numpy(), rel=1e-2)


@pytest.mark.parametrize("name", ["gelu", "sigmoid"])
def test_the_spread_is_that_of_all_unknowns(name: str) -> None:
    """Eliminating q and e is the inverse of the whole J^T J, at a fixed length of (q, e)."""
    case = made(name, "narrow")
    problem, space = case.problem, RowSpace.of(case.problem)
    neurons = evenly_spaced(problem, NEURONS)
    left, back, row = problem.left[neurons], problem.back[neurons], case.rows[1]
    sigma = problem.activation.of(neurons)
    slopes = sigma.slope(problem.pre_activations(row[None])[:, neurons])
    q, e, _ = (each[0] for each in kernels_of(left, back, slopes))
    size = left.norm() / back.norm()

    def residual(point: Tensor) -> Tensor:
        v, p, following = point[:3], point[3:7], point[7:]
        z = problem.pre_activations(space.rows(v))[neurons]
        rest = left @ p - sigma.slope(z) * (back @ following)
        return torch.cat([rest, 1e3 * (q @ p + e @ following / size**2)[None]])

    moves = jacobian(residual, torch.cat([space.coordinates(row), q, e]))
    covariance = torch.linalg.inv(moves.T @ moves)[:3, :3]
    metric = problem.first.singular_values[:, None] * space.basis
    variance = (metric @ covariance @ metric.T).trace() * (left @ q).square().mean()
    expected = variance.sqrt() / (problem.first.singular_values * row).norm()
    given = torch.full((4,), 1e-3).double()
    found = likely_errors(problem, case.rows, torch.tensor([1]), given, given)
    assert float(found) == pytest.approx(DEVIATIONS * 1e-3 * float(expected), rel=1e-3)


def test_variances_of_directions_add_up() -> None:
    case, all_ = made("leaky_relu", "narrow"), torch.arange(4)
    each = [
        likely_errors(case.problem, case.rows, all_, one, one)
        for one in 1e-3 * torch.eye(4).double()
    ]
    whole = torch.full((4,), 1e-3).double()
    found = likely_errors(case.problem, case.rows, all_, whole, whole)
    assert found.numpy() == pytest.approx(torch.stack(each).norm(dim=0).numpy(), rel=1e-6)


def test_deviations_are_at_least_rounding_and_what_is_seen() -> None:
    """Of 3 equations with 2 unknowns a single one says how large the errors are."""
    sides, residuals = torch.ones(3, 3), torch.tensor([0.0, 1e-3, 1e-6])[:, None].expand(3, 3)
    found = deviation(residuals, sides, torch.tensor([0.0, 1e-5, 1e-4]), 2)
    assert found.tolist() == pytest.approx([ROUNDING, 3**0.5 * 1e-3, 1e-4])


STRAIGHT = {
    "softplus": {"b": 8, "scale": 0.3},
    "sigmoid": {"b": 8, "scale": 0.3},
    "hardtanh": {"b": 20, "m": 200, "n": 300, "depth": 2},
    "hardswish": {"classes": 3, "depth": 2},
}
"""Pairs of which the worst case excludes no error of 0.1 %."""


@pytest.mark.parametrize("name", STRAIGHT)
def test_right_batches_that_the_worst_case_leaves_open_are_exact(name: str) -> None:
    case = pair_case(name, dtype=torch.float32, **STRAIGHT[name])
    right = finished(case.problem, case.samples)
    found = evidence(case.problem, right)
    rows = torch.linalg.inv(right)
    tolerated = (10 * each + 25 * ROUNDING for each in (found.forward_error, found.backward_error))
    assert not isolated(case.problem, rows, *tolerated).all()
    assert verdict(case.problem, found) is Status.EXACT


@pytest.mark.parametrize("name", ["tanh", "elu", "gelu"])
def test_inputs_that_hardly_leave_a_linear_part_are_refused(name: str) -> None:
    """Their errors reach more than float32's rounding, and the bound has them."""
    case = pair_case(name, classes=3, depth=2, dtype=torch.float32, scale=3e-3)
    right = finished(case.problem, case.samples)
    assert (true_errors(case, right) <= bounds(case, right)).all()
    assert (bounds(case, right) > ALLOWED_ERROR).any()
    assert verdict(case.problem, evidence(case.problem, right)) is not Status.EXACT


@pytest.mark.parametrize("name", PIECEWISE)
def test_two_samples_of_the_same_pieces_have_no_bound(name: str) -> None:
    case = made(name, "narrow")
    rows = case.rows.clone()
    rows[1] = rows[0] + 1e-9 * rows[1]
    given = torch.full((4,), ROUNDING).double()
    found = likely_errors(case.problem, rows, torch.arange(4), given, given)
    assert not (found[:2] <= ALLOWED_ERROR).any()


@pytest.mark.parametrize("name", PIECEWISE)
def test_fewer_certain_neurons_than_unknowns_bound_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A direction with its e has b + r - 1 unknowns, and here one has b - 2 equations."""
    case = made(name, "narrow")
    certain = torch.ones(case.b, case.problem.m, dtype=torch.bool)
    certain[3, case.b - 2 :] = False
    monkeypatch.setattr(PairProblem, "decided", lambda *_: certain)
    given = torch.full((case.b,), ROUNDING).double()
    found = likely_errors(case.problem, case.rows, torch.arange(case.b), given, given)
    assert not (found <= ALLOWED_ERROR).any()
