"""What tracing finds between two layers becomes the function that the network applies there."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from spear.activations import Elementwise, PReLU, elementwise
from spear.activations.named import KNOWN
from spear.errors import LayerError
from spear.layers import linear_layers
from spear.tracing.activations import Activation

N, M, K = 5, 8, 3
Function = Callable[[Tensor], Tensor]


class Hidden(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.fc, self.head = nn.Linear(N, M), nn.Linear(M, K)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.function(self.fc(x)))


def traced(function: Function, training: bool = True) -> Elementwise:
    network = Hidden(function).train(training)
    activation = linear_layers(network, (N,))[0].activation
    assert activation is not None
    return elementwise(activation, dict(network.named_parameters()))


FORMS: list[tuple[str, Function]] = [
    *[("relu", each) for each in (nn.ReLU(), nn.ReLU(inplace=True), functional.relu, torch.relu)],
    *[("relu", each) for each in (functional.relu_, lambda z: z.clamp(min=0))],
    *[("leaky_relu", each) for each in (nn.LeakyReLU(), nn.LeakyReLU(0.2, inplace=True))],
    *[("leaky_relu", each) for each in (functional.leaky_relu, functional.leaky_relu_)],
    *[("prelu", each) for each in (nn.PReLU(), nn.PReLU(1, 0.1))],
    *[("relu6", each) for each in (nn.ReLU6(), nn.ReLU6(inplace=True), functional.relu6)],
    *[("hardtanh", each) for each in (nn.Hardtanh(-2, 0.5), nn.Hardtanh(inplace=True))],
    *[("hardtanh", each) for each in (functional.hardtanh, lambda z: z.clamp(-2, 3))],
    *[("elu", each) for each in (nn.ELU(0.5), nn.ELU(inplace=True), functional.elu)],
    *[("selu", each) for each in (nn.SELU(), nn.SELU(inplace=True), functional.selu)],
    *[("celu", each) for each in (nn.CELU(2.0), nn.CELU(inplace=True), functional.celu)],
    *[("softplus", each) for each in (nn.Softplus(), nn.Softplus(2, 10), functional.softplus)],
    *[("gelu", each) for each in (nn.GELU(), nn.GELU("tanh"), functional.gelu)],
    *[("silu", each) for each in (nn.SiLU(), nn.SiLU(inplace=True), functional.silu)],
    ("silu", lambda z: z * torch.sigmoid(z)),
    *[("mish", each) for each in (nn.Mish(), nn.Mish(inplace=True), functional.mish)],
    *[("tanh", each) for each in (nn.Tanh(), torch.tanh, torch.tanh_)],
    *[("sigmoid", each) for each in (nn.Sigmoid(), torch.sigmoid, torch.sigmoid_)],
    *[("hardswish", each) for each in (nn.Hardswish(), nn.Hardswish(inplace=True))],
    ("hardswish", functional.hardswish),
]


@pytest.mark.parametrize(("name", "function"), FORMS)
def test_it_has_the_values_of_what_was_traced(name: str, function: Function) -> None:
    found = traced(function)
    assert found.name == name
    z = torch.linspace(-25, 25, 20 * M, dtype=torch.float64).reshape(20, M)
    expected = function(z.float().clone()).detach()
    torch.testing.assert_close(found.value(z.float()), expected, rtol=1e-6, atol=1e-6)


def test_every_known_one_is_traced() -> None:
    assert {name for name, _ in FORMS} == set(KNOWN)


def test_names_are_pytorchs() -> None:
    """Those of `torch.nn.functional`, or of `torch` for functions that are there alone."""
    assert all(hasattr(functional, name) or hasattr(torch, name) for name in KNOWN)


def test_slopes_of_a_prelu_are_those_of_its_neurons() -> None:
    module = nn.PReLU(M)
    nn.init.uniform_(module.weight, generator=torch.Generator().manual_seed(0))
    found = traced(module)
    assert isinstance(found, PReLU)
    z = torch.randn(20, M, generator=torch.Generator().manual_seed(1))
    assert torch.equal(found.value(z), module(z))
    assert torch.equal(found.slope(-z.abs()), module.weight.detach().expand_as(z))


def test_a_random_leaky_relu_is_known_in_evaluation_mode_alone() -> None:
    assert traced(nn.RReLU(0.1, 0.3), training=False).name == "leaky_relu"
    with pytest.raises(LayerError, match="the activation is a random leaky ReLU"):
        traced(nn.RReLU(0.1, 0.3))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (nn.Threshold(0.1, -3.0), "a threshold"),
        (nn.Hardsigmoid(), "a hard sigmoid"),
        (torch.sin, "a sin"),
        (nn.Softshrink(), "a softshrink"),
    ],
)
def test_an_unknown_one_is_refused(function: Function, words: str) -> None:
    with pytest.raises(LayerError, match=f"the activation is {words}, whose") as refusal:
        traced(function)
    message = str(refusal.value)
    assert message.endswith(f"expected one of {', '.join(KNOWN)}.")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("weight", "message"), [("", "is none of the network's"), ("act.weight", "is 'act.weight', ")]
)
def test_a_prelu_without_its_slopes_is_refused(weight: str, message: str) -> None:
    with pytest.raises(LayerError, match=f"the slopes of a PReLU {message}"):
        elementwise(Activation("prelu", weight=weight), {"other.weight": torch.ones(1)})
