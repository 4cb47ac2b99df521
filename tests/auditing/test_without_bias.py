"""Audits of networks without biases and of local steps: what is found, and no wrong `exact`."""

import pytest
import torch
from support.alterations import ALTERATIONS
from torch import Tensor, nn

from spear.auditing import Verdict, audit
from spear.auditing.recovery import largest_error
from spear.auditing.verdicts import Equation
from spear.auditing.victim import share
from spear.client.client import Client
from spear.client.local_training import FedAvg
from spear.data import Batch
from spear.errors import ConfigError
from spear.networks import fcnn

RIGHT = 1e-3
"""Relative error up to which a reconstruction is called right."""


def network(activation: str, bias: bool = False, classes: int = 10) -> nn.Sequential:
    return fcnn((40,), classes, 60, 3, activation=activation, bias=bias)


def batch(b: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(b, 40, generator=generator), torch.arange(b) % 3


@pytest.mark.parametrize(
    ("activation", "rests"),
    [
        ("relu", "The lengths of its inputs rest on the cross-entropy of the outputs."),
        ("leaky_relu", "The lengths of its inputs rest on the cross-entropy of the outputs."),
        ("gelu", "The lengths of its inputs rest on the shape of the activation."),
        ("tanh", "The signs of its inputs rest on the cross-entropy of the outputs."),
    ],
)
def test_layers_without_biases_are_found_and_the_finding_says_what_the_scale_rests_on(
    activation, rests
):
    found = audit(network(activation), batch, "1", budget=20)
    layer = found["1"]
    assert layer.verdict is Verdict.EXACT
    assert layer.equation is Equation.UNBIASED
    assert layer.recovery.error < RIGHT
    assert "it has no bias, but" in layer.reasons[0]
    assert rests in str(found)
    assert "The equations of both layers hold" in str(found)


def test_a_frozen_bias_is_no_obstacle_behind_a_smooth_activation():
    model = network("gelu", bias=True)
    model[1].bias.requires_grad_(False)
    gradients, truth = share(model, nn.CrossEntropyLoss(), *batch())
    found = audit(model, gradients, "1", input_shape=(40,), budget=20)
    assert found["1"].verdict is Verdict.EXACT
    assert "its bias is frozen, but" in found["1"].reasons[0]
    assert largest_error(found["1"].recovery.inputs, truth["1"]) < RIGHT


@pytest.mark.parametrize(
    ("activation", "loss", "why"),
    [
        ("hardtanh", None, "a hard tanh follows it, which does not tell the scale"),
        ("relu", nn.CrossEntropyLoss(label_smoothing=0.1), "does not tell the scale of an input"),
        ("relu", nn.CrossEntropyLoss(reduction="sum"), "does not tell the scale of an input"),
    ],
)
def test_where_nothing_tells_the_scale_the_method_does_not_apply(activation, loss, why):
    found = audit(network(activation), batch, "1", loss=loss, budget=5)
    assert found["1"].verdict is Verdict.NOT_APPLICABLE
    assert why in found["1"].reasons[0]


def test_the_last_layer_without_a_bias_has_no_equation():
    found = audit(network("gelu"), batch, "5", budget=5)
    assert found["5"].verdict is Verdict.NOT_APPLICABLE
    assert "no activation whose derivatives are known" in found["5"].reasons[0]


def test_two_classes_leave_lengths_open():
    found = audit(network("relu", classes=2), lambda: (batch(1)[0], torch.tensor([1])), "1")
    assert found["1"].verdict is not Verdict.EXACT


HOSTILE = {
    **ALTERATIONS,
    "one layer": lambda each: {k: 1.1 * v if k == "3.weight" else v for k, v in each.items()},
    "turned": lambda each: {k: -v if k == "1.weight" else v for k, v in each.items()},
    "permuted": lambda each: {k: v.roll(1, 0) for k, v in each.items()},
}


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu", "tanh"])
@pytest.mark.parametrize("alteration", HOSTILE)
@pytest.mark.few(30)
def test_no_wrong_claim_without_biases(activation, alteration):
    model = network(activation)
    gradients, truth = share(model, nn.CrossEntropyLoss(), *batch(3))
    found = audit(model, HOSTILE[alteration](gradients), input_shape=(40,), budget=1)
    for layer in found.layers:
        assert layer.reasons
        if layer.verdict is Verdict.EXACT:
            assert largest_error(layer.recovery.inputs, truth[layer.name]) < RIGHT


def trained(activation: str, steps: int, rate: float):
    """The network, its weights after local steps, and the batch."""
    model, (inputs, labels) = network(activation, bias=True), batch()
    client = Client(model, FedAvg(epochs=steps, learning_rate=rate))
    update = client.share(Batch(inputs, labels))
    weights = dict(model.named_parameters())
    after = {name: weights[name].detach() - rate * each for name, each in update.gradients.items()}
    return model, after, inputs


@pytest.mark.parametrize("activation", ["gelu", "silu"])
def test_local_steps_are_attacked_at_the_mean_weights(activation):
    model, after, inputs = trained(activation, steps=3, rate=0.01)
    given = {"input_shape": (40,), "learning_rate": 0.01, "form": "weights", "budget": 20}
    found = audit(model, after, "1", steps=3, **given)
    layer = found["1"]
    assert layer.equation is Equation.STEPS
    assert layer.verdict is Verdict.APPROXIMATE
    assert largest_error(layer.recovery.inputs, inputs) < 0.01
    assert "not re-simulated: it is of several local steps" in str(found)
    alone = audit(model, after, "1", **given | {"budget": 3})
    assert alone["1"].equation is Equation.PAIR
    assert alone["1"].verdict is not Verdict.EXACT


def test_steps_that_drift_too_far_are_told():
    model, after, _ = trained("gelu", steps=5, rate=1.0)
    found = audit(
        model, after, "1", input_shape=(40,), learning_rate=1.0, form="weights", steps=5, budget=5
    )
    assert found["1"].verdict is Verdict.NOTHING
    assert "expected at most" in found["1"].reasons[-1]


def test_steps_out_of_range_are_refused():
    with pytest.raises(ConfigError, match=r"^steps is 0; expected at least 1\.$"):
        audit(network("gelu"), batch, steps=0)
    with pytest.raises(ConfigError, match=r"^steps is 5 without a learning_rate; expected both"):
        audit(network("gelu"), batch, steps=5)
