"""An audit refutes no right reconstruction because of labels or a loss that it does not know."""

import pytest
import torch
from support.models import digits
from torch import Tensor, nn
from torch.nn import functional

from spear.auditing import Audit, Verdict, audit
from spear.auditing.report import text

NOT_REFUTED = (Verdict.EXACT, Verdict.CONSISTENT)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def network(outputs: int = 10) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(64, 120), nn.ReLU(), nn.Linear(120, 80), nn.ReLU()),
        nn.Linear(80, outputs),
    )


def audited(model: nn.Module, value: Tensor, **settings) -> Audit:
    shared = torch.autograd.grad(value, list(model.parameters()))
    named = dict(zip(dict(model.named_parameters()), shared, strict=True))
    return audit(model, named, "1", input_shape=(1, 8, 8), budget=5, **settings)


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.SmoothL1Loss(), nn.MSELoss(reduction="sum")])
def test_labels_of_a_regression_are_assigned_jointly(loss):
    inputs, labels = torch.randn(6, 1, 8, 8), torch.randn(6, 1)
    found = audit(network(1), lambda: (inputs, labels), "1", loss=loss, budget=5)
    assert found.verdict in NOT_REFUTED
    if loss.reduction == "mean":  # which the scale shows
        assert found.verdict is Verdict.EXACT
        assert sorted(found["1"].recovery.resimulation.labels.flatten().tolist()) == pytest.approx(
            sorted(labels.flatten().tolist())
        )


def test_a_regression_with_unknown_labels_is_not_refuted():
    model = network(1)
    value = functional.mse_loss(model(torch.randn(6, 1, 8, 8)), torch.randn(6, 1))
    assert audited(model, value, loss=nn.MSELoss()).verdict is Verdict.CONSISTENT


@pytest.mark.parametrize("other_label", [False, True])
def test_equal_inputs_are_counted(other_label):
    inputs, labels = digits(6)
    inputs, labels = torch.cat([inputs, inputs[:2]]), torch.cat([labels, labels[:2]])
    labels[-1] = (labels[-1] + other_label) % 10
    found = audit(network(), lambda: (inputs, labels), "1", budget=5)
    assert found.verdict is Verdict.EXACT
    assert "every input" in text(found)
    assert sorted(found["1"].recovery.resimulation.labels.tolist()) == sorted(labels.tolist())


@pytest.mark.parametrize("kind", ["mixup", "smoothed", "weighted", "ignored"])
def test_labels_other_than_one_class_each_are_not_refuted(kind):
    model, (inputs, labels) = network(), digits(6)
    if kind == "mixup":
        inputs = 0.3 * inputs + 0.7 * inputs.roll(1, 0)
        soft = functional.one_hot(labels, 10).float()
        value = functional.cross_entropy(model(inputs), 0.3 * soft + 0.7 * soft.roll(1, 0))
    elif kind == "smoothed":
        value = functional.cross_entropy(model(inputs), labels, label_smoothing=0.1)
    elif kind == "weighted":
        value = functional.cross_entropy(model(inputs), labels, weight=torch.rand(10) + 0.5)
    else:
        labels[1] = -100
        value = functional.cross_entropy(model(inputs), labels)
    assert audited(model, value).verdict in NOT_REFUTED


def test_a_loss_with_weights_is_cast_with_the_model():
    model, (inputs, labels) = network(), digits(6)
    loss = nn.CrossEntropyLoss(weight=torch.rand(10) + 0.5)
    assert audited(model, loss(model(inputs), labels), loss=loss).verdict is Verdict.EXACT


def test_a_loss_of_float32_alone_is_not_refuted():
    weight = torch.rand(10) + 0.5
    model, (inputs, labels) = network(), digits(6)

    def loss(outputs: Tensor, given: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, given, weight=weight)

    assert audited(model, loss(model(inputs), labels), loss=loss).verdict in NOT_REFUTED


@pytest.mark.parametrize("name", ["3.weight", "5.weight", "5.bias"])
def test_no_labels_explain_an_altered_layer_behind(name):
    model, (inputs, labels) = network(), digits(6)
    value = functional.cross_entropy(model(inputs), labels)
    shared = dict(
        zip(
            dict(model.named_parameters()),
            torch.autograd.grad(value, list(model.parameters())),
            strict=True,
        )
    )
    shared[name] = shared[name] * 1.1 + shared[name].roll(1, 0) * 0.1
    found = audit(model, shared, "1", input_shape=(1, 8, 8), budget=5)
    assert found.verdict is Verdict.UNCONFIRMED
    assert found["1"].recovery.found == 0
