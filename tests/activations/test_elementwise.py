"""An activation of one's own: a name and values are enough."""

import pytest
import torch
from torch import Tensor

from spear.activations import Elementwise, ReLU


class Sine(Elementwise):
    name = "sin"

    def value(self, z: Tensor) -> Tensor:
        return torch.sin(z)


class Doubled(Elementwise):
    """Its slope does not depend on z."""

    name = "doubled"

    def value(self, z: Tensor) -> Tensor:
        return 2 * z


class Constant(Elementwise):
    name = "constant"

    def value(self, z: Tensor) -> Tensor:
        return torch.ones_like(z)


class OwnReLU(Elementwise):
    name = "own_relu"

    def value(self, z: Tensor) -> Tensor:
        return torch.relu(z)


Z = torch.linspace(-4, 4, 33, dtype=torch.float64).reshape(3, 11)


@pytest.mark.parametrize("z", [Z, Z[0], Z.float(), Z.clone().requires_grad_()])
def test_autograd_differentiates_it(z: Tensor) -> None:
    found = Sine()
    torch.testing.assert_close(found.slope(z), torch.cos(z.detach()))
    torch.testing.assert_close(found.curvature(z), -torch.sin(z.detach()))
    assert not found.slope(z).requires_grad
    assert not found.curvature(z).requires_grad


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_autograd_does_so_if_it_is_switched_off_outside(mode: type) -> None:
    with mode():
        z = Z.clone()
        torch.testing.assert_close(Sine().slope(z), torch.cos(z), rtol=1e-14, atol=0)
        torch.testing.assert_close(Sine().curvature(z), -torch.sin(z), rtol=1e-14, atol=0)


@pytest.mark.parametrize(("sigma", "slope"), [(Doubled(), 2.0), (Constant(), 0.0)])
def test_derivatives_that_do_not_depend_on_z(sigma: Elementwise, slope: float) -> None:
    assert torch.equal(sigma.slope(Z), torch.full_like(Z, slope))
    assert torch.equal(sigma.curvature(Z), torch.zeros_like(Z))


def test_a_kink_is_that_of_backward() -> None:
    assert torch.equal(OwnReLU().slope(Z), ReLU().slope(Z))
    assert torch.equal(OwnReLU().curvature(Z), torch.zeros_like(Z))


def test_what_is_not_said_is_not_claimed() -> None:
    sigma = Sine()
    assert not sigma.homogeneous
    assert sigma.pieces is None
    assert sigma.of(torch.tensor([1])) is sigma
    assert sigma.to("cpu") is sigma


def test_values_are_needed() -> None:
    with pytest.raises(TypeError, match="value"):
        Elementwise()  # type: ignore[abstract]
