"""Directions behind a piecewise linear activation, each neuron with one of two slopes."""

import pytest
import torch
from support.pairs import PIECEWISE, PairCase, pair_case, relative
from support.problems import sine_distance, unit_columns
from torch import nn

from spear.inversion.descent.deflation import Known
from spear.inversion.pair.assignment import FITTING, Fitted, assigned, fitting_directions
from spear.inversion.pair.problem import PairProblem


def per_neuron(m: int = 60) -> nn.PReLU:
    module = nn.PReLU(m)
    with torch.no_grad():
        module.weight.copy_(torch.linspace(0.05, 0.6, m))
    return module


MODULES = {
    "leaky_relu": nn.LeakyReLU(0.1),
    "steep": nn.LeakyReLU(0.5),
    "prelu": nn.PReLU(),
    "prelu_by_neuron": per_neuron(),
    "relu": nn.ReLU(),
}
SHAPES = {"spanning": {"b": 5, "depth": 3}, "fewer": {"b": 6, "classes": 4, "depth": 2}}
per_module = pytest.mark.parametrize("name", MODULES)
per_shape = pytest.mark.parametrize("shape", SHAPES)


def searched(problem: PairProblem, count: int = 40, seed: int = 0) -> Fitted:
    nothing = problem.left.new_zeros(0, problem.b)
    generator = torch.Generator().manual_seed(seed)
    return fitting_directions(problem, Known(nothing, nothing), count, generator)


def made(name: str, shape: str, dtype: torch.dtype = torch.float32) -> PairCase:
    return pair_case(MODULES[name], dtype=dtype, **SHAPES[shape])  # type: ignore[arg-type]


@per_module
@per_shape
def test_the_search_finds_true_directions(name: str, shape: str) -> None:
    case = made(name, shape)
    found = searched(case.problem)
    assert (found.residuals < FITTING).all()
    assert (found.residuals.diff() >= 0).all()
    errors = sine_distance(unit_columns(found.directions.T), unit_columns(case.disaggregation))
    # Each true one is among those found, or half of them where nothing certifies a find.
    assert int((errors.amin(dim=0) < 1e-4).sum()) >= (case.b if shape == "spanning" else 3)
    nearest, which = errors.min(dim=1)
    right = nearest < 1e-4
    assert right[: int(right.sum())].all()  # and first, as the residual shows
    lengths = torch.linalg.vector_norm(found.directions @ case.problem.left.T, dim=1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, case.pair.m**0.5))
    # The slopes are those of its pre-activations, and the offsets go with them.
    pieces = case.problem.activation.pieces
    assert pieces is not None
    z = case.z[which[right]]
    clear = (z.abs() > 1e-3) & (case.gradients[:, which[right]].T.abs() > 1e-6)
    torch.testing.assert_close(found.slopes[right][clear], pieces.slope(z)[clear])
    assert not found.offsets.any()


@pytest.mark.parametrize("name", PIECEWISE)
@per_shape
def test_nearly_right_directions_get_right(name: str, shape: str) -> None:
    case = pair_case(name, scale=2.0, **SHAPES[shape])  # type: ignore[arg-type]
    problem, generator = case.problem, torch.Generator().manual_seed(0)
    noise = torch.randn(case.b, case.b, generator=generator, dtype=torch.float64)
    q = case.disaggregation.T
    near = q + 1e-3 * noise * q.norm(dim=1, keepdim=True) / noise.norm(dim=1, keepdim=True)
    found = assigned(problem, near, case.next_coordinates)
    assert (found.residuals < 1e-10).all()
    errors = sine_distance(unit_columns(found.directions.T), unit_columns(case.disaggregation))
    assert (errors.diagonal() < 1e-8).all()
    behind = problem.activation.slope(case.z) * (found.next_coordinates @ problem.back.T)
    assert relative(behind, found.directions @ problem.left.T) < 1e-9
    pieces = problem.activation.pieces
    assert pieces is not None
    active = case.gradients.T != 0
    torch.testing.assert_close(found.slopes[active], pieces.slope(case.z)[active])


@pytest.mark.parametrize("name", ["relu6", "hardtanh"])
def test_the_offsets_of_two_outer_pieces_follow_from_the_prediction(name: str) -> None:
    case = pair_case(name, b=3, scale=6.0 if name == "relu6" else 2.0)
    found = assigned(case.problem, case.disaggregation.T, case.next_coordinates)
    pieces = case.problem.activation.pieces
    assert pieces is not None
    beyond = (case.z > pieces.upper) & (case.gradients.T == 0)
    assert beyond.any()
    right = found.offsets == pieces.offset(case.z)
    assert right.double().mean() > 0.9


def test_known_directions_are_kept_away_from() -> None:
    case = made("leaky_relu", "spanning")
    known = Known(
        case.disaggregation.T[:4] / case.disaggregation.T[:4].norm(dim=1, keepdim=True),
        case.rows[:4],
    )
    generator = torch.Generator().manual_seed(0)
    found = fitting_directions(case.problem, known, 8, generator)
    errors = sine_distance(unit_columns(found.directions.T), unit_columns(case.disaggregation))
    assert int(errors[0].argmin()) == 4
    assert float(errors[0, 4]) < 1e-4


def test_the_same_generator_gives_the_same() -> None:
    case = made("leaky_relu", "spanning")
    first, second = (searched(case.problem, 24, seed=3) for _ in range(2))
    assert torch.equal(first.directions, second.directions)
    assert torch.equal(first.these(torch.tensor([0])).slopes, first.slopes[:1])
