"""Gated blocks: both consistencies hold for true inputs alone, and a search finds them."""

import pytest
import torch
from support.gated import GatedNet, gated_case
from torch import nn

from spear.errors import ConfigError, InvalidObservation, LayerError
from spear.inversion.gated import SpearGated, gated_layers
from spear.inversion.gated.forward import GatedConsistency
from spear.inversion.gated.problem import gated_problem
from spear.inversion.gated.search import samples_of_rows, without
from spear.reconstruction import Status

GATES = {"swiglu": nn.SiLU(), "geglu": nn.GELU(), "geglu of tanh": nn.GELU(approximate="tanh")}
per_gate = pytest.mark.parametrize("act_fn", GATES.values(), ids=GATES)


def rows_of(case, problem):
    return case.inputs @ problem.right.T


@per_gate
def test_forward_consistency_holds_for_true_inputs_at_their_own_length_alone(act_fn):
    case = gated_case(act_fn)
    problem = gated_problem(case.layers)
    assert problem.b == 6
    rows, every = rows_of(case, problem), torch.eye(6).double()
    free = GatedConsistency(problem, every)
    assert (free.cost(rows) / problem.m < 1e-20).all()
    others = torch.cat([1.05 * rows, -rows, rows.roll(1, 0) + rows])
    assert (free.cost(others) / problem.m > 1e-6).all()
    fixed = GatedConsistency(problem, every, 24**0.5)
    torch.testing.assert_close(
        fixed.cost(2 * rows) - free.cost(2 * rows),
        torch.full((6,), 9.0 * problem.m).double(),
        rtol=1e-5,
        atol=0,
    )


@per_gate
def test_normal_equations_are_those_of_autograd(act_fn):
    """The residual is over the length of a, which counts as constant."""
    problem = gated_problem(gated_case(act_fn).layers)
    basis = torch.linalg.qr(torch.randn(6, 4, generator=torch.Generator().manual_seed(0))).Q
    objective = GatedConsistency(problem, basis.double(), 3.0)
    points = torch.randn(3, 4, generator=torch.Generator().manual_seed(1)).double()
    matrices, right = objective.normal_equations(points)
    space, m = problem.activations, problem.m
    for k, point in enumerate(points):
        length = problem.values((basis.double() @ point)[None])[0].norm()

        def residual(w, length=length):
            u, v = problem.gate @ (basis.double() @ w), problem.up @ (basis.double() @ w)
            a = problem.activation.value(u) * v
            rest = (a - space.T @ (space @ a)) * m**0.5 / length
            return torch.cat([rest, m**0.5 * (w.square().sum() / 9 - 1)[None]])

        J, r = torch.autograd.functional.jacobian(residual, point), residual(point)
        torch.testing.assert_close(objective.cost(points)[k], r.square().sum())
        torch.testing.assert_close(matrices[k], J.T @ J)
        torch.testing.assert_close(right[k], J.T @ r)


@per_gate
def test_backward_consistency_gives_the_gradients_above(act_fn):
    case = gated_case(act_fn)
    problem = gated_problem(case.layers)
    samples, errors = samples_of_rows(problem, rows_of(case, problem))
    assert errors.max() < 1e-9
    torch.testing.assert_close(samples.directions @ problem.left.T, case.above)
    torch.testing.assert_close(
        samples.rows @ samples.directions.T, torch.eye(6).double(), rtol=0, atol=1e-8
    )


def test_what_is_taken_out_leaves_the_others():
    case = gated_case(nn.SiLU())
    problem = gated_problem(case.layers)
    samples, _ = samples_of_rows(problem, rows_of(case, problem))
    rest = without(problem, samples[[0, 1]])
    assert (rest.basis.shape, rest.problem.activations.shape) == ((6, 4), (4, 72))
    left = samples.rows[2:]
    torch.testing.assert_close(left @ rest.basis @ rest.basis.T, left)
    objective = GatedConsistency(rest.problem, rest.basis)
    assert (objective.cost(left @ rest.basis) / problem.m < 1e-16).all()
    taken = objective.cost(samples.rows[:2] @ rest.basis)
    assert (taken / problem.m > 1e-3).all()


@per_gate
@pytest.mark.parametrize("b", [1, 6, 14])
def test_all_inputs_are_found_and_none_is_called_exact(act_fn, b):
    case = gated_case(act_fn, b=b, n=32, m=96, dtype=torch.float32)
    found = SpearGated()(case.layers)
    assert found.status is Status.APPROXIMATE
    assert found.inputs.shape == (b, 32)
    away = torch.cdist(case.inputs.double(), found.inputs) / case.inputs.double().norm(dim=1)
    assert away.min(dim=1).values.max() < 1e-4
    assert found.details["residual"] < 1e-4


def test_the_same_seed_gives_the_same_inputs():
    case = gated_case(nn.SiLU())
    first, second = (SpearGated()(case.layers, seed=3).inputs for _ in range(2))
    assert torch.equal(first, second)


def test_noise_and_too_many_positions_are_refused():
    case = gated_case(nn.SiLU(), b=30)
    with pytest.raises(InvalidObservation, match="gate and up is of full rank"):
        SpearGated()(case.layers)
    case = gated_case(nn.SiLU())
    zero = {name: torch.zeros_like(each) for name, each in case.gradients.items()}
    with pytest.raises(InvalidObservation, match="gate and up is zero"):
        SpearGated()(gated_layers(case.network, zero))


def test_another_rank_behind_the_gate_is_refused():
    case, other = gated_case(nn.SiLU()), gated_case(nn.SiLU(), b=5)
    mixed = case.gradients | {"down_proj.weight": other.gradients["down_proj.weight"]}
    with pytest.raises(InvalidObservation, match=r"rank 6 and that behind it 5"):
        SpearGated()(gated_layers(case.network, mixed))


def test_a_search_that_is_given_up_says_so():
    found = SpearGated(max_starts=1)(gated_case(nn.SiLU(), b=20).layers)
    assert found.status is Status.PARTIAL
    assert len(found.inputs) < 20
    with pytest.raises(ConfigError, match="max_starts"):
        SpearGated(max_starts=0)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (GatedNet(8, 24, 5, nn.SiLU(), bias=True), "has biases"),
        (GatedNet(8, 24, 5, nn.Tanh()), "activation of"),
        (nn.Sequential(nn.Linear(8, 8)), "0 gated blocks"),
    ],
    ids=["biases", "activation", "none"],
)
def test_other_blocks_are_refused(network, message):
    gradients = {name: torch.ones_like(each) for name, each in network.named_parameters()}
    with pytest.raises(LayerError, match=message):
        gated_layers(network, gradients)


def test_a_block_that_is_frozen_or_does_not_exist_is_refused():
    case = gated_case(nn.SiLU())
    left = {k: v for k, v in case.gradients.items() if "up_proj" not in k}
    case.network.up_proj.weight.requires_grad_(False)
    with pytest.raises(LayerError, match=r"up_proj\.weight has no gradient"):
        gated_layers(case.network, left)
    with pytest.raises(LayerError, match="block is 1"):
        gated_layers(case.network, left, 1)
