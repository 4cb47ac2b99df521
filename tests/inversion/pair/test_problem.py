"""The equations of a layer pair hold for gradients from autograd, and its factors are as said."""

from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.pairs import ALL, PairCase, pair_case, relative
from torch import Tensor

from spear.activations import LeakyReLU, PReLU
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.reconstruction import Status

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
CONDITION = 1e3
"""Batches whose dL/dZ, X, A or D2 are worse conditioned are set aside: errors grow with it."""
SHAPES = {"wide": (3, 10), "head": (2, 10), "narrow": (2, 3)}
"""Depth and classes; the last next layer has rank 2."""

per_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
some_examples = settings(max_examples=20)


@st.composite
def cases(draw: st.DrawFn, dtype: torch.dtype) -> PairCase:
    depth, classes = SHAPES[draw(st.sampled_from(sorted(SHAPES)))]
    b = draw(st.integers(1, 5))
    case = pair_case(
        draw(st.sampled_from(ALL)),
        b=b,
        m=draw(st.integers(6 * b + 4, 50)),
        n=draw(st.integers(b + 20, 50)),
        classes=classes,
        depth=depth,
        dtype=dtype,
        seed=draw(st.integers(0, 2**31)),
    )
    for factor in (case.gradients, case.inputs, case.pair.activation.value(case.z)):
        assume(bool(torch.linalg.cond(factor) < CONDITION))
    if b < classes:
        assume(bool(torch.linalg.cond(case.next_gradients) < CONDITION))
    return case


@per_dtype
@some_examples
@given(st.data())
def test_both_gradients_are_products_and_the_chain_rule_links_them(dtype, data):
    case = data.draw(cases(dtype))
    pair, tolerance = case.pair, TOLERANCE[dtype]
    assert relative(pair.first.weight_gradient, case.gradients @ case.inputs) < tolerance
    a = pair.activation.value(case.z)
    assert relative(pair.next_weight_gradient, case.next_gradients @ a) < tolerance
    behind = pair.next_weight.double().T @ case.next_gradients
    assert relative(pair.activation.slope(case.z).T * behind, case.gradients) < tolerance


@per_dtype
@some_examples
@given(st.data())
def test_the_rows_of_the_next_gradient_span_the_activations(dtype, data):
    case = data.draw(cases(dtype))
    problem, classes = case.problem, case.pair.next_weight.shape[0]
    space = problem.activations
    identity = torch.eye(problem.r, dtype=torch.float64)
    torch.testing.assert_close(space @ space.T, identity, rtol=0, atol=1e-10)
    last = classes < case.pair.m
    assert problem.r == (min(case.b, classes - 1) if last else case.b)
    assert problem.spans_activations == (problem.r == case.b)
    a = problem.activation.value(case.z)
    outside = relative((a @ space.T) @ space, a)
    if problem.spans_activations:
        assert outside < 1e3 * TOLERANCE[dtype]
    else:
        assert outside > 1e-3


@per_dtype
@some_examples
@given(st.data())
def test_a_sample_in_the_coordinates_of_the_search(dtype, data):
    case = data.draw(cases(dtype))
    problem, tolerance = case.problem, 1e3 * TOLERANCE[dtype]
    rows, nexts = case.rows, case.next_coordinates
    assert (problem.b, problem.m) == (case.b, case.pair.m)
    assert relative(rows @ problem.first.right, case.inputs) < tolerance
    assert relative(problem.pre_activations(rows), case.z) < tolerance
    assert relative(problem.left @ case.disaggregation, case.gradients) < tolerance
    behind = case.pair.next_weight.double().T @ case.next_gradients
    assert relative(problem.back @ nexts.T, behind) < tolerance
    sums = rows @ problem.first.bias_coordinates
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=tolerance)
    assert problem.next_bias is not None
    assert float((nexts.sum(dim=0) - problem.next_bias).norm() / nexts.norm()) < tolerance


@per_dtype
def test_errors_are_those_of_an_entry(dtype):
    problem = pair_case("gelu", dtype=dtype).problem
    assert not problem.noisy
    exact = dtype == torch.float64
    for error, scale in (
        (problem.first_error, problem.first.singular_values[0]),
        (problem.next_error, problem.next_values[0]),
    ):
        assert 0 < error < (1e-14 if exact else 1e-7) * scale


def test_noise_is_told_from_rounding():
    case = pair_case("gelu", b=3, m=60, n=60)
    gradient, next_gradient = case.pair.first.weight_gradient, case.pair.next_weight_gradient
    generator = torch.Generator().manual_seed(0)
    strength = 1e-3 * gradient.std()
    noise = strength * torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
    noisy = pair_problem(
        replace(case.pair, first=replace(case.pair.first, weight_gradient=gradient + noise))
    )
    assert isinstance(noisy, PairProblem)
    assert noisy.noisy
    assert noisy.first_error == pytest.approx(float(strength), rel=0.1)
    strength = 1e-3 * next_gradient.std()
    noise = strength * torch.randn(next_gradient.shape, generator=generator, dtype=torch.float64)
    noisy = pair_problem(replace(case.pair, next_weight_gradient=next_gradient + noise))
    assert isinstance(noisy, PairProblem)
    assert noisy.noisy
    assert noisy.next_error == pytest.approx(float(strength), rel=0.1)


def test_neurons_that_no_sample_activates_keep_their_places():
    case = pair_case("relu", b=2, m=60)
    active = case.gradients.ne(0).any(dim=1)
    assert not active.all()
    problem = case.problem
    assert problem.left.shape == (60, 2)
    assert not problem.left[~active].any()
    assert relative(problem.left @ case.disaggregation, case.gradients) < 1e-12


def test_there_is_none_without_a_gradient_or_a_gap():
    case = pair_case("gelu", b=4)
    zero = torch.zeros_like(case.pair.next_weight_gradient)
    assert pair_problem(replace(case.pair, next_weight_gradient=zero)) == Status.ZERO_GRADIENT
    nothing = torch.zeros_like(case.pair.first.weight_gradient)
    first = replace(case.pair.first, weight_gradient=nothing)
    assert pair_problem(replace(case.pair, first=first)) == Status.ZERO_GRADIENT
    assert pair_problem(pair_case("gelu", b=40, n=20).pair) == Status.FULL_RANK


def test_a_given_rank_is_taken():
    found = pair_problem(pair_case("gelu", b=4).pair, rank=3)
    assert isinstance(found, PairProblem)
    assert (found.b, found.r) == (3, 3)


def test_the_activation_is_that_of_the_network():
    assert isinstance(pair_case("leaky_relu").problem.activation, LeakyReLU)
    module = torch.nn.PReLU(60)
    with torch.no_grad():
        module.weight.copy_(torch.linspace(0.1, 0.5, 60))
    activation = pair_case(module).problem.activation
    assert isinstance(activation, PReLU)
    assert torch.equal(activation.of(torch.tensor([7])).value(-torch.ones(1)), -module.weight[7:8])


@pytest.mark.parametrize("activation", ["hardtanh", "relu6", "leaky_relu"])
def test_inputs_in_one_linear_piece_have_the_gradients_of_their_mixtures(activation: str) -> None:
    """X T and D2 T^-T for any T with columns that sum to 1: no pair tells them apart."""
    case = pair_case(activation, b=3, scale=0.02)
    weights = case.pair.first.weight.double()
    bias = torch.full((60,), 0.5, dtype=torch.float64)  # within the inner piece of each
    sigma, generator = case.problem.activation, torch.Generator().manual_seed(0)
    mixing = torch.eye(3).double() + 0.1 * torch.randn(3, 3, generator=generator).double()
    mixing /= mixing.sum(dim=0)

    def gradients(inputs: Tensor, nexts: Tensor) -> list[Tensor]:
        z = weights @ inputs + bias[:, None]
        columns = sigma.slope(z) * (case.pair.next_weight.double().T @ nexts)
        firsts = [columns @ inputs.T, columns.sum(dim=1)]
        return [*firsts, nexts @ sigma.value(z).T, nexts.sum(dim=1)]

    true = gradients(case.inputs.T, case.next_gradients)
    mixed = case.next_gradients @ torch.linalg.inv(mixing).T
    for found, expected in zip(gradients(case.inputs.T @ mixing, mixed), true, strict=True):
        assert relative(found, expected) < 1e-12
    assert relative(case.inputs.T @ mixing, case.inputs.T) > 0.01
