"""Values and derivatives of each activation against PyTorch's function and autograd."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from spear.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    Elementwise,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from spear.activations.named import KNOWN

Function = Callable[[Tensor], Tensor]
M = 201
SLOPES = torch.linspace(-0.5, 1.5, M)

CASES: dict[str, tuple[Elementwise, Function]] = {
    "relu": (ReLU(), functional.relu),
    "leaky_relu": (LeakyReLU(), functional.leaky_relu),
    "leaky_relu_0.2": (LeakyReLU(0.2), lambda z: functional.leaky_relu(z, 0.2)),
    "leaky_relu_negative": (LeakyReLU(-0.3), lambda z: functional.leaky_relu(z, -0.3)),
    "prelu": (PReLU(torch.tensor([0.25])), lambda z: functional.prelu(z, z.new_tensor([0.25]))),
    "prelu_by_neuron": (PReLU(SLOPES), lambda z: functional.prelu(z, SLOPES.to(z))),
    "relu6": (ReLU6(), functional.relu6),
    "hardtanh": (Hardtanh(), functional.hardtanh),
    "hardtanh_uneven": (Hardtanh(-2.0, 0.5), lambda z: functional.hardtanh(z, -2.0, 0.5)),
    "hardtanh_without_0": (Hardtanh(0.5, 2.0), lambda z: functional.hardtanh(z, 0.5, 2.0)),
    "elu": (ELU(), functional.elu),
    "elu_0.5": (ELU(0.5), lambda z: functional.elu(z, 0.5)),
    "selu": (SELU(), functional.selu),
    "celu": (CELU(), functional.celu),
    "celu_2": (CELU(2.0), lambda z: functional.celu(z, 2.0)),
    "softplus": (Softplus(), functional.softplus),
    "softplus_2_10": (Softplus(2.0, 10.0), lambda z: functional.softplus(z, 2.0, 10.0)),
    "gelu": (GELU(), functional.gelu),
    "gelu_tanh": (GELU("tanh"), lambda z: functional.gelu(z, approximate="tanh")),
    "silu": (SiLU(), functional.silu),
    "mish": (Mish(), functional.mish),
    "tanh": (Tanh(), torch.tanh),
    "sigmoid": (Sigmoid(), torch.sigmoid),
    "hardswish": (Hardswish(), functional.hardswish),
}
LINEAR = [name for name, (each, _) in CASES.items() if each.pieces is not None]
per_case = pytest.mark.parametrize("name", CASES)
per_linear = pytest.mark.parametrize("name", LINEAR)
per_precision = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def numbers(dtype: torch.dtype = torch.float64, largest: float = 8.0) -> Tensor:
    """Rows of M numbers, none of them at a kink."""
    generator = torch.Generator().manual_seed(0)
    return (2 * torch.rand(20, M, generator=generator, dtype=torch.float64) - 1).to(dtype) * largest


def derivatives(function: Function, z: Tensor) -> tuple[Tensor, Tensor]:
    """The first two, by autograd."""
    z = z.clone().requires_grad_()
    (first,) = torch.autograd.grad(function(z).sum(), z, create_graph=True)
    if not first.requires_grad:
        return first, torch.zeros_like(z)
    (second,) = torch.autograd.grad(first.sum(), z, materialize_grads=True)
    return first.detach(), second


def test_every_known_activation_has_a_case() -> None:
    assert set(KNOWN.values()) <= {type(each) for each, _ in CASES.values()}


@per_precision
@per_case
def test_values_are_pytorchs(name: str, dtype: torch.dtype) -> None:
    sigma, function = CASES[name]
    for largest in (1.0, 8.0, 100.0):
        z = numbers(dtype, largest)
        torch.testing.assert_close(sigma.value(z), function(z), rtol=0, atol=0)


@per_precision
@per_case
def test_slopes_are_autograds(name: str, dtype: torch.dtype) -> None:
    sigma, function = CASES[name]
    tolerance = 20 * torch.finfo(dtype).eps
    z = numbers(dtype)
    expected, _ = derivatives(function, z)
    torch.testing.assert_close(sigma.slope(z), expected, rtol=tolerance, atol=tolerance)


@per_case
def test_curvatures_are_differences_of_autograds_slopes(name: str) -> None:
    """Central ones of error h^2 / 6 times the fourth derivative, away from kinks."""
    sigma, function = CASES[name]
    z, h = numbers(), 1e-5
    kinks = torch.tensor([-3.0, -2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 6.0], dtype=z.dtype)
    away = ((z.unsqueeze(-1) - kinks).abs() > 2 * h).all(-1)
    (right, _), (left, _) = derivatives(function, z + h), derivatives(function, z - h)
    found = sigma.curvature(z)
    assert away.float().mean() > 0.99
    torch.testing.assert_close(found[away], ((right - left) / (2 * h))[away], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "kinks"),
    [
        ("relu", [0.0, -0.0]),
        ("leaky_relu", [0.0, -0.0]),
        ("leaky_relu_negative", [0.0]),
        ("prelu", [0.0, -0.0]),
        ("relu6", [0.0, 6.0]),
        ("hardtanh", [-1.0, 1.0]),
        ("hardtanh_uneven", [-2.0, 0.5]),
        ("hardtanh_without_0", [0.5, 2.0]),
        ("elu_0.5", [0.0]),
        ("selu", [0.0]),
        ("celu_2", [0.0]),
        ("softplus_2_10", [5.0]),
    ],
)
@per_precision
def test_slopes_at_kinks_are_those_of_backward(
    name: str, kinks: list[float], dtype: torch.dtype
) -> None:
    sigma, function = CASES[name]
    z = torch.tensor(kinks, dtype=dtype).unsqueeze(-1)
    expected, _ = derivatives(function, z)
    tolerance = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(sigma.slope(z), expected, rtol=tolerance, atol=0)
    assert sigma.curvature(z).isfinite().all()


@per_precision
@per_case
def test_large_inputs(name: str, dtype: torch.dtype) -> None:
    """Beyond 25, each is linear but for less than its precision."""
    sigma, _ = CASES[name]
    large = torch.tensor([25.0, 60.0, 88.0, 89.0, 100.0], dtype=dtype).unsqueeze(-1)
    for z in (large, -large):
        for found in (sigma.value(z), sigma.slope(z), sigma.curvature(z)):
            assert found.dtype == dtype
            assert found.isfinite().all()
        if name != "celu_2":
            assert sigma.curvature(z).abs().max() < 1e-9
    assert sigma.slope(large).std(0).max() < 1e-9


@pytest.mark.parametrize("z", [-30.0, 30.0])
@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_small_slopes_do_not_cancel(name: str, z: float) -> None:
    """sigma' is 4 exp(-2 |z|) of tanh and exp(-|z|) of the sigmoid; 1 - tanh^2 would be 0."""
    sigma, _ = CASES[name]
    expected = 4 * math.exp(-60) if name == "tanh" else math.exp(-30)
    found = torch.tensor([z], dtype=torch.float64)
    assert float(sigma.slope(found)) == pytest.approx(expected, rel=1e-12)
    twice = 2 if name == "tanh" else 1
    assert abs(float(sigma.curvature(found))) == pytest.approx(twice * expected, rel=1e-12)


@pytest.mark.parametrize("t", [1e-3, 0.5, 3.0, 1e3])
@per_case
def test_homogeneous_are_those_that_scale(name: str, t: float) -> None:
    sigma, _ = CASES[name]
    z = numbers()
    scales = torch.allclose(sigma.value(t * z), t * sigma.value(z), rtol=1e-12, atol=0)
    assert scales == sigma.homogeneous


@per_case
def test_neurons_are_the_last_dimension(name: str) -> None:
    sigma, _ = CASES[name]
    z = numbers()
    for method in (sigma.value, sigma.slope, sigma.curvature):
        torch.testing.assert_close(method(z.reshape(4, 5, M)), method(z).reshape(4, 5, M))
        torch.testing.assert_close(method(z[3]), method(z)[3])


@per_precision
@per_case
def test_neurons_by_index_and_by_mask(name: str, dtype: torch.dtype) -> None:
    sigma, _ = CASES[name]
    z = numbers(dtype)
    indices = torch.tensor([5, 0, 200, 7])
    mask = torch.zeros(M, dtype=torch.bool)
    mask[[0, 3, 100]] = True
    for chosen in (indices, mask):
        some = sigma.of(chosen)
        for method in ("value", "slope", "curvature"):
            expected = getattr(sigma, method)(z)[:, chosen]
            torch.testing.assert_close(getattr(some, method)(z[:, chosen]), expected)
    assert (some is sigma) == (name != "prelu_by_neuron")
    assert torch.equal(sigma.to("cpu").value(z), sigma.value(z))


class TestPieces:
    @per_precision
    @per_linear
    def test_value_is_linear_in_each_piece(self, name: str, dtype: torch.dtype) -> None:
        sigma, _ = CASES[name]
        assert sigma.pieces is not None
        z = numbers(dtype)
        linear = sigma.slope(z) * z + sigma.pieces.offset(z)
        torch.testing.assert_close(linear, sigma.value(z), rtol=0, atol=8 * torch.finfo(dtype).eps)
        assert not sigma.curvature(z).any()

    @per_linear
    def test_slopes_are_one_of_two_by_piece(self, name: str) -> None:
        sigma, _ = CASES[name]
        pieces = sigma.pieces
        assert pieces is not None
        z = numbers()
        inside = pieces.inside(z)
        assert inside.dtype == torch.bool
        assert inside.any()
        assert not inside.all()
        assert torch.equal(inside, (z > pieces.lower) & (z < pieces.upper))
        outer = torch.as_tensor(pieces.outer, dtype=z.dtype).expand_as(z)
        assert (sigma.slope(z)[inside] == pieces.inner).all()
        assert torch.equal(sigma.slope(z)[~inside], outer[~inside])

    @per_linear
    def test_it_is_continuous_and_0_at_0(self, name: str) -> None:
        sigma, _ = CASES[name]
        pieces = sigma.pieces
        assert pieces is not None
        assert not sigma.value(torch.zeros(1, M)).any()
        assert pieces.lower <= 0 <= pieces.upper
        for kink in (pieces.lower, pieces.upper):
            if math.isfinite(kink):
                at = torch.full((1, M), kink, dtype=torch.float64)
                for beside in (at - 1e-9, at + 1e-9):
                    torch.testing.assert_close(
                        sigma.value(beside), sigma.value(at), rtol=0, atol=2e-9
                    )

    def test_slopes_of_a_prelu_are_by_neuron(self) -> None:
        pieces = CASES["prelu_by_neuron"][0].pieces
        assert pieces is not None
        assert isinstance(pieces.outer, Tensor)
        assert torch.equal(pieces.outer, SLOPES)
        some = PReLU(SLOPES).of(torch.tensor([3, 1])).pieces
        assert some is not None
        assert isinstance(some.outer, Tensor)
        assert torch.equal(some.outer, SLOPES[[3, 1]])

    def test_none_if_the_slope_has_more_than_two_values_or_0_is_moved(self) -> None:
        assert [name for name in CASES if name not in LINEAR] == [
            *("hardtanh_without_0", "elu", "elu_0.5", "selu", "celu", "celu_2", "softplus"),
            *("softplus_2_10", "gelu", "gelu_tanh", "silu", "mish", "tanh", "sigmoid", "hardswish"),
        ]


def test_a_prelu_keeps_the_slopes_that_it_got() -> None:
    weight = torch.tensor([0.1, 0.2])
    sigma = PReLU(weight)
    weight.zero_()
    assert torch.equal(sigma.value(-torch.ones(2)), torch.tensor([-0.1, -0.2]))


@pytest.mark.parametrize("name", ["elu", "elu_0.5", "selu", "celu", "celu_2"])
def test_beyond_the_corner_the_slope_is_constant_and_below_it_tells_z(name: str) -> None:
    activation, _ = CASES[name]
    z = torch.linspace(-4, 4, 200, dtype=torch.float64)
    slopes, below = activation.slope(z), z < activation.linear_from
    assert below.any()
    assert len(slopes[~below].unique()) == 1
    torch.testing.assert_close(activation.bent(slopes[below]), z[below])
    assert activation.bent(torch.tensor([-1.0, 5.0], dtype=torch.float64)).isnan().all()


def test_others_have_no_line_that_is_known() -> None:
    for activation, _ in CASES.values():
        if not isinstance(activation, ELU | SELU | CELU):
            assert math.isinf(activation.linear_from)
            assert activation.bent(torch.ones(3)).isnan().all()
    assert math.isinf(ELU(0.0).linear_from)
