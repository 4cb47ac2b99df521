"""The proof: `exact` for the truth of every activation, never for anything else."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from support.pairs import ALL, PairCase, pair_case, worst_psnr
from torch import Tensor

import spear
from spear.inversion.factors.input_errors import ALLOWED_ERROR
from spear.inversion.pair.finish import finished
from spear.inversion.pair.isolation import isolated
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.inversion.pair.proof import Evidence, evidence, verdict
from spear.observation import LayerPair
from spear.reconstruction import Reconstruction, Status

SHAPES = {"wide": (4, 10, 3), "head": (4, 10, 2), "narrow": (4, 3, 2)}
per_activation = pytest.mark.parametrize("name", ALL)
per_shape = pytest.mark.parametrize("shape", SHAPES)
HOMOGENEOUS = ["relu", "leaky_relu", "prelu"]


@cache
def made(name: str, shape: str, biases: bool = True) -> PairCase:
    b, classes, depth = SHAPES[shape]
    return pair_case(name, b=b, classes=classes, depth=depth, dtype=torch.float32, biases=biases)


def status(problem: PairProblem, disaggregation: Tensor) -> Status:
    return verdict(problem, evidence(problem, disaggregation))


@per_activation
@per_shape
@pytest.mark.few(16)
def test_the_truth_is_exact(name: str, shape: str) -> None:
    case = made(name, shape)
    found = evidence(case.problem, finished(case.problem, case.samples))
    assert found.explained
    assert found.largest < 1e-5
    assert verdict(case.problem, found) == Status.EXACT


@per_activation
@per_shape
def test_a_row_that_is_off_by_a_thousandth_is_not_exact(name: str, shape: str) -> None:
    case = made(name, shape)
    noise = torch.randn(case.b, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = case.rows.clone()
    rows[1] += 1e-3 * rows[1].norm() * noise / noise.norm()
    assert status(case.problem, torch.linalg.inv(rows)) != Status.EXACT


@per_activation
@per_shape
def test_two_rows_that_are_mixed_are_not_exact(name: str, shape: str) -> None:
    """Their span is the true one, and s . p = 1 still."""
    case = made(name, shape)
    for share in (0.01, 0.3):
        rows = case.rows.clone()
        rows[0] = (1 - share) * case.rows[0] + share * case.rows[1]
        rows[1] = (1 - share) * case.rows[1] + share * case.rows[0]
        assert status(case.problem, torch.linalg.inv(rows)) != Status.EXACT


def scaled(pair: LayerPair, factor: float) -> LayerPair:
    first = replace(pair.first, bias_gradient=pair.first.bias_gradient * factor)
    return replace(pair, first=first)


def attacked(pair: LayerPair) -> Reconstruction:
    return spear.SpearPair(time_limit=None, max_starts=30)(pair)


@per_activation
@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.few(15)
def test_the_truth_at_another_scale_is_not_exact(name: str, biases: bool) -> None:
    """Neither as such nor as what a search from the wrong dL/dc1 ends with."""
    for shape in SHAPES:
        case = made(name, shape, biases)
        for factor in (1.01, 2.0, 8.0):
            sums = case.problem.first.bias_coordinates * factor
            first = replace(case.problem.first, bias_coordinates=sums)
            problem = replace(case.problem, first=first)
            assert status(problem, factor * case.disaggregation) != Status.EXACT
    assert attacked(scaled(case.pair, 2.0)).status != Status.EXACT


@pytest.mark.parametrize("name", HOMOGENEOUS)
@per_shape
def test_without_any_bias_nothing_shows_the_scale(name: str, shape: str) -> None:
    case = made(name, shape, biases=False)
    for factor in (1.0, 2.0):
        pair = replace(scaled(case.pair, factor), next_bias_gradient=None)
        assert attacked(pair).status == Status.APPROXIMATE


@per_shape
def test_nor_does_a_bound_that_no_value_reaches(shape: str) -> None:
    case = made("relu6", shape, biases=False)
    assert float(case.z.max()) < 6
    pair = replace(scaled(case.pair, 2.0), next_bias_gradient=None)
    found = attacked(pair)
    assert worst_psnr(found.inputs, case.inputs) < 40
    assert found.status != Status.EXACT


@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_nor_do_biases_below_rounding(name: str) -> None:
    case = made(name, "wide", biases=False)
    first = replace(case.pair.first, bias=case.pair.first.bias + 1e-10)
    pair = replace(scaled(case.pair, 2.0), first=scaled(replace(case.pair, first=first), 2.0).first)
    found = attacked(replace(pair, next_bias_gradient=None))
    assert worst_psnr(found.inputs, case.inputs) < 40
    assert found.status != Status.EXACT


@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_nor_does_a_next_bias_gradient_of_zeros(name: str) -> None:
    """As a next layer whose bias is at its optimum has it; here D2 sums to 0 by construction."""
    case = made(name, "narrow", biases=False)
    nexts = case.next_gradients - case.next_gradients.mean(dim=1, keepdim=True)
    gradients = case.pair.activation.slope(case.z).T * (case.pair.next_weight.double().T @ nexts)
    a = case.pair.activation.value(case.z)
    first = replace(
        case.pair.first,
        weight_gradient=(gradients @ case.inputs).float(),
        bias_gradient=2.0 * gradients.sum(dim=1).float(),
    )
    pair = replace(
        case.pair,
        first=first,
        next_weight_gradient=(nexts @ a).float(),
        next_bias_gradient=torch.zeros(len(nexts)),
    )
    found = spear.SpearPair(time_limit=None, max_starts=300)(pair)
    assert found.n_directions == case.b
    assert worst_psnr(found.inputs, case.inputs) < 40
    assert found.status != Status.EXACT


@per_activation
@per_shape
@pytest.mark.few(16)
def test_a_next_bias_gradient_that_is_off_is_not_exact(name: str, shape: str) -> None:
    case = made(name, shape)
    right = finished(case.problem, case.samples)
    given = case.pair.next_bias_gradient
    assert given is not None
    for change in (1.001 * given, -given, given.roll(1)):
        problem = pair_problem(replace(case.pair, next_bias_gradient=change))
        assert isinstance(problem, PairProblem)
        assert status(problem, right) != Status.EXACT


def test_a_bias_gradient_of_another_batch_is_not_exact() -> None:
    case = made("gelu", "wide")
    generator = torch.Generator().manual_seed(0)
    change = 1e-3 * torch.randn(60, generator=generator) * case.pair.first.bias_gradient.std()
    first = replace(case.pair.first, bias_gradient=case.pair.first.bias_gradient + change)
    problem = pair_problem(replace(case.pair, first=first))
    assert isinstance(problem, PairProblem)
    assert status(problem, case.disaggregation) != Status.EXACT


@pytest.mark.parametrize("name", ["gelu", "tanh"])
def test_what_noise_explains_is_approximate(name: str) -> None:
    case = pair_case(name, b=3, m=60, n=60, classes=60)
    generator = torch.Generator().manual_seed(0)

    def noisy(gradient: Tensor) -> Tensor:
        noise = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
        return gradient + 1e-4 * gradient.std() * noise

    first = replace(
        case.pair.first,
        weight_gradient=noisy(case.pair.first.weight_gradient),
        bias_gradient=noisy(case.pair.first.bias_gradient),
    )
    pair = replace(
        case.pair, first=first, next_weight_gradient=noisy(case.pair.next_weight_gradient)
    )
    found = spear.SpearPair(time_limit=10.0)(pair)
    assert found.status == Status.APPROXIMATE
    assert worst_psnr(found.inputs, case.inputs) > 50


EPS = 2.0**-23
"""Resolution of float32, in which clients compute."""

LIMITS = {
    "rounding": ({}, 25 * EPS),
    "ten deviations": ({"error": 1e-4}, 25 * EPS + 1e-3),
    "three deviations of noise": ({"error": 1e-4, "deviations": 3.0}, 25 * EPS + 3e-4),
}


def evidence_of(residual: float = 0.0, error: float = 0.0, **more: float) -> Evidence:
    """Of two samples, the first without any residual: forward, backward, or both have one."""
    which = more.pop("side", 2)
    none, one = torch.zeros(2).double(), torch.tensor([0.0, residual], dtype=torch.float64)
    errors = torch.full((2,), error, dtype=torch.float64)
    sides = (one if which != 1 else none), (one if which != 0 else none)
    next_sum = more.pop("next_sum", 0.0)
    return Evidence(sides[0], errors, sides[1], errors, next_sum, torch.eye(2).double(), **more)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("limit", LIMITS)
def test_errors_explain_residuals_up_to_their_limit(limit: str, side: int) -> None:
    settings, largest = LIMITS[limit]
    for factor, explained in ((0.999, True), (1.001, False)):
        found = evidence_of(factor * largest, side=side, **settings)
        assert found.explained is explained
        assert found.largest == factor * largest


def test_rounding_explains_no_visible_residual_and_no_wrong_sum() -> None:
    for factor, right in ((0.999, True), (1.001, False)):
        assert evidence_of(factor * 1e-3, error=1e-2).at_rounding is right
        assert evidence_of(next_sum=factor * 1e-5).at_rounding is right
        assert evidence_of(misfit=factor * 1.3).explained is right
    assert evidence_of(1e-2, error=1e-2).explained
    assert not evidence_of(1e-2).at_rounding


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "softplus"])
def test_float32_leaves_residuals_of_the_size_that_is_expected_of_it(name: str) -> None:
    case = made(name, "wide")
    found = evidence(case.problem, finished(case.problem, case.samples))
    for residual, expected in (
        (found.forward, found.forward_error),
        (found.backward, found.backward_error),
    ):
        ratio = residual / expected
        assert ratio.min() > 0.2
        assert ratio.max() < 15


@pytest.mark.parametrize("name", ["gelu", "tanh", "elu", "silu"])
def test_an_error_of_a_thousandth_must_show(name: str) -> None:
    """Tolerances as large as the residuals that 0.2 % of an input makes do not tell a batch."""
    case = made(name, "wide")
    problem, rows = case.problem, case.rows
    generator = torch.Generator().manual_seed(0)
    change = torch.randn(case.b, generator=generator, dtype=torch.float64)
    sums = problem.first.bias_coordinates
    change -= (change @ sums) / (sums @ sums) * sums  # s . p = 1 still
    length, moved = ((each @ problem.first.right).norm() for each in (rows[1], change))

    def tolerances(error: float) -> list[Tensor]:
        other = rows.clone()
        other[1] += error * length / moved * change
        found = evidence(problem, torch.linalg.inv(other))
        return [each[1].expand(case.b) for each in (found.forward, found.backward)]

    assert not isolated(problem, rows, *tolerances(2 * ALLOWED_ERROR)).all()
    assert isolated(problem, rows, *tolerances(ALLOWED_ERROR / 100)).all()
    assert f"by {ALLOWED_ERROR:.1%}".replace("%", " %") in (Reconstruction.__doc__ or "")


@pytest.mark.parametrize(("share", "shows"), [(0.75, False), (1.25, True)])
def test_two_tolerances_together_are_not_one(
    share: float, shows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an error of `ALLOWED_ERROR` each consistency shows less, or more, than its tolerance."""
    case = made("gelu", "wide")
    problem, rows, one = case.problem, case.rows, torch.ones(case.b, dtype=torch.float64)
    d = case.b - 1
    of_rows = share * torch.eye(d, dtype=torch.float64) / ALLOWED_ERROR**2
    both = torch.eye(case.b + d + problem.r, dtype=torch.float64)
    both[case.b : case.b + d, case.b : case.b + d] = of_rows
    for name, matrix in (("_metric", torch.eye(d).double()), ("_length", one)):
        monkeypatch.setattr(f"{isolated.__module__}.{name}", lambda *_, it=matrix: it)
    for name, matrix in (("_forward", of_rows), ("_backward", both)):
        monkeypatch.setattr(
            f"{isolated.__module__}.{name}",
            lambda _problem, _space, rows, it=matrix: it.expand(len(rows), -1, -1).clone(),
        )
    assert (isolated(problem, rows, one, one) == shows).all()
