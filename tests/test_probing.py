"""What a module receives and returns, seen and replaced while its network runs."""

import pytest
import torch
from torch import Tensor, nn

from spear.probing import layer_inputs, overriding_input, overriding_output, probe, watching


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 2))


def hooks(network: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


def test_calls_are_recorded_in_order_and_outputs_outlive_an_in_place_relu(network):
    x = torch.randn(3, 4, requires_grad=True)
    with probe({"last": network[2], "first": network[0]}) as calls:
        outputs = network(x)
    first, last = calls
    assert [first.name, last.name] == ["first", "last"]
    assert torch.equal(first.inputs, x)
    assert torch.equal(first.output, network[0](x))
    assert (first.output < 0).any()
    assert torch.equal(last.inputs, first.output.relu())
    assert torch.equal(last.output, outputs)
    (gradient,) = torch.autograd.grad(outputs.sum(), first.output)
    torch.testing.assert_close(gradient, (first.output > 0) * network[2].weight.sum(dim=0))


def test_a_call_by_keyword_has_inputs_too(network):
    x = torch.randn(3, 4)
    with probe({"first": network[0]}) as calls:
        network[0](input=x)
    assert torch.equal(calls[0].inputs, x)
    assert calls[0].args == ()


def test_outputs_are_replaced_by_a_copy(network):
    outputs = torch.full((3, 5), -1.0)
    with overriding_output(network[0], outputs):
        assert torch.equal(network(torch.randn(3, 4)), network[2](torch.zeros(3, 5)))
    assert (outputs == -1.0).all()


def test_inputs_are_replaced_however_they_come(network):
    x, other = torch.randn(2, 3, 4)
    with overriding_input(network[0], other):
        assert torch.equal(network(x), network(other))
        assert torch.equal(network[0](input=x), network[0](other))
    assert not torch.equal(network(x), network(other))


def test_what_a_layer_receives_is_differentiable(network):
    x = torch.randn(3, 4, requires_grad=True)
    found = layer_inputs(network, network[2], x)
    assert torch.equal(found, network[:2](x))
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert gradient.abs().sum() > 0


def test_no_hook_is_left_behind_even_by_an_error(network):
    def fail(call: object) -> Tensor:
        raise ValueError

    for context in (
        probe({"": network[0]}),
        overriding_input(network[0], torch.zeros(1, 4)),
        overriding_output(network[0], torch.zeros(1, 5)),
    ):
        with context:
            assert hooks(network) == 1
        assert hooks(network) == 0
    with pytest.raises(ValueError), watching({"": network[0]}, fail):  # noqa: PT011
        network(torch.zeros(1, 4))
    assert hooks(network) == 0
