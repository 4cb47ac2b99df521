"""Pre-activations of known activations: right where they are said to be known."""

import math

import pytest
import torch
from support.pairs import ALL

from spear.activations import PReLU, elementwise
from spear.activations.elementwise import Elementwise
from spear.activations.inverse import preimages
from spear.tracing.activations import Activation

Z = torch.linspace(-4, 8, 241, dtype=torch.float64)[None]
EVERYWHERE = {"leaky_relu", "prelu", "elu", "selu", "celu", "softplus", "tanh", "sigmoid"}
BOUNDED = {"relu6": 6.0, "hardtanh": 1.0}


def named(name: str) -> Elementwise:
    if name == "prelu":
        return PReLU(torch.tensor(0.25))
    return elementwise(Activation(name), {})


@pytest.mark.parametrize("name", ALL)
def test_what_is_known_is_right(name: str) -> None:
    sigma = named(name)
    z, known = preimages(sigma, sigma.value(Z))
    saturated = {"tanh", "sigmoid", "elu", "celu", "selu"}
    tolerance = 1e-6 if name in saturated else 1e-11
    torch.testing.assert_close(z[known], Z[known], rtol=0, atol=tolerance)
    assert not z[~known].any()


@pytest.mark.parametrize("name", ALL)
def test_all_is_known_that_can_be(name: str) -> None:
    _, known = preimages(named(name), named(name).value(Z))
    if name in EVERYWHERE:
        assert known.all()
    elif name == "hardtanh":
        assert torch.equal(known, Z.abs() < 1)
    else:
        expected = (Z > 0) & (BOUNDED.get(name, math.inf) > Z)
        assert torch.equal(known, expected)


@pytest.mark.parametrize("value", [1.5, -1.5, 1.0])
def test_what_a_tanh_never_gives_is_not_known(value: float) -> None:
    z, known = preimages(named("tanh"), torch.tensor([[value]]))
    assert not known.any()
    assert not z.any()


def test_slopes_below_zero_fold_the_line() -> None:
    sigma = PReLU(torch.tensor([-0.5, 0.5]))
    z = torch.tensor([[2.0, 2.0], [-2.0, -2.0]], dtype=torch.float64)
    found, known = preimages(sigma, sigma.value(z))
    assert known.tolist() == [[False, True], [False, True]]
    torch.testing.assert_close(found[:, 1], z[:, 1])


def test_nothing_is_known_of_an_activation_of_your_own() -> None:
    class Sine(Elementwise):
        name = "sine"

        def value(self, z: torch.Tensor) -> torch.Tensor:
            return torch.sin(z)

    _, known = preimages(Sine(), torch.zeros(1, 3))
    assert not known.any()


@pytest.mark.parametrize("name", ["relu", "gelu", "silu", "hardswish"])
def test_an_error_within_the_margin_is_not_taken_for_a_pre_activation(name: str) -> None:
    values = torch.tensor([[1e-6, 1e-3]])
    _, known = preimages(named(name), values, margin=1e-4)
    assert known.tolist() == [[False, True]]
