"""Corners: where sigma' jumps, by how much, and what rounding makes of them."""

import math

import pytest
import torch
from torch import Tensor

from spear.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    Elementwise,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
    Tanh,
)
from spear.activations.rounded import Rounded

NEURONS = torch.linspace(-0.5, 1.5, 5, dtype=torch.float64)
ACTIVATIONS = {
    "relu": (ReLU(), 1),
    "leaky_relu": (LeakyReLU(0.1), 1),
    "prelu": (PReLU(NEURONS), 1),
    "relu6": (ReLU6(), 2),
    "hardtanh": (Hardtanh(-1, 2), 2),
    "hardtanh above 0": (Hardtanh(1, 2), 2),
    "hardswish": (Hardswish(), 2),
    "selu": (SELU(), 1),
    "elu": (ELU(0.5), 1),
    "elu without": (ELU(), 0),
    "celu without": (CELU(0.5), 0),
    "gelu": (GELU(), 0),
    "tanh": (Tanh(), 0),
}
each = pytest.mark.parametrize(("sigma", "count"), ACTIVATIONS.values(), ids=list(ACTIVATIONS))


def around(sigma: Elementwise) -> Tensor:
    """Points on both sides of the corners, none on one, a column a neuron."""
    return torch.linspace(-8.013, 8, 401, dtype=torch.float64)[:, None].expand(-1, len(NEURONS))


@each
def test_slope_jumps_at_corners_alone(sigma: Elementwise, count: int) -> None:
    assert len(sigma.corners) == count
    step = 1e-9
    for position, jump in sigma.corners:
        z = torch.full((len(NEURONS),), position, dtype=torch.float64)
        found = sigma.slope(z + step) - sigma.slope(z - step)
        torch.testing.assert_close(found, torch.as_tensor(jump).to(z).expand_as(z))
    z = torch.linspace(-8, 8, 3201, dtype=torch.float64)[:, None].expand(-1, len(NEURONS))
    jumps = sigma.slope(z).diff(dim=0).abs().amax(dim=1) > 0.02  # a smooth slope changes by 0.01
    assert int(jumps.sum()) <= 2 * count


@each
@pytest.mark.parametrize("width", [0.5, 0.02])
def test_rounded_activation_has_the_derivatives_of_autograd(
    sigma: Elementwise, count: int, width: float
) -> None:
    rounded, z = Rounded(sigma, width), around(sigma).clone().requires_grad_()
    (slope,) = torch.autograd.grad(rounded.value(z).sum(), z)
    torch.testing.assert_close(rounded.slope(z.detach()), slope, rtol=1e-9, atol=1e-12)
    step = 1e-6
    slopes = rounded.slope(z.detach() + step) - rounded.slope(z.detach() - step)
    torch.testing.assert_close(
        rounded.curvature(z.detach()), slopes / (2 * step), rtol=1e-4, atol=1e-6
    )


@each
def test_rounding_lifts_each_corner_by_its_jump_times_width_times_log_2(
    sigma: Elementwise, count: int
) -> None:
    z = around(sigma)
    assert torch.equal(Rounded(sigma, 0.1).value(z), sigma.value(z)) == (count == 0)
    for position, jump in sigma.corners:
        z = torch.full((len(NEURONS),), position, dtype=torch.float64)
        lifted = Rounded(sigma, 1e-3).value(z) - sigma.value(z)
        torch.testing.assert_close(lifted, jump * 1e-3 * math.log(2) + torch.zeros_like(z))


def test_rounded_activation_of_some_neurons() -> None:
    sigma, some = PReLU(NEURONS), torch.tensor([1, 4])
    z = around(sigma)
    torch.testing.assert_close(
        Rounded(sigma, 0.1).of(some).value(z[:, some]), Rounded(sigma, 0.1).value(z)[:, some]
    )
    assert isinstance(Rounded(sigma, 0.1).to("cpu"), Rounded)
