"""Labels: scored with the inputs that they belong to."""

import dataclasses
import math

import pytest
import torch
from support.scored import RGB, found, perfect, truth

from spear.scoring import Scorer


def test_labels_are_scored_in_the_order_of_the_inputs() -> None:
    true = truth(RGB, 3)
    labels = torch.tensor([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6]], dtype=torch.float64)
    soft = dataclasses.replace(true, labels=labels)
    order = torch.tensor([2, 0, 1])
    shuffled = found(true.inputs[order], true.activation_gradients[:, order])
    right = Scorer(RGB)(dataclasses.replace(shuffled, labels=labels[order]), soft)
    exact = {"label_accuracy": 1.0, "labels_exact": 1.0, "label_l1": 0.0, "label_l2": 0.0}
    assert {name: right[name] for name in exact} == exact
    hard = dataclasses.replace(true, labels=torch.tensor([0, 1, 2]))
    score = Scorer(RGB)(dataclasses.replace(shuffled, labels=labels[order]), hard)
    assert score["label_accuracy"] == 1.0
    assert score["labels_exact"] == pytest.approx(1 / 3)
    assert score["label_l1"] == pytest.approx((0.6 + 0.0 + 0.8) / 3)
    assert score["label_l2"] == pytest.approx((0.18**0.5 + 0.0 + 0.24**0.5) / 3)


def test_labels_that_were_missed_are_wrong_and_those_that_nobody_looked_for_have_no_score() -> None:
    true = dataclasses.replace(truth(RGB, 2), labels=torch.tensor([0, 0]))
    one = found(true.inputs[1:], true.activation_gradients[:, 1:])
    score = Scorer(RGB)(dataclasses.replace(one, labels=torch.tensor([[1.0, 0.0]])), true)
    assert (score["label_accuracy"], score["labels_exact"]) == (0.5, 0.5)
    assert (score["label_l1"], score["label_l2"]) == (0.5, 0.5)
    assert math.isnan(Scorer(RGB)(perfect(true), true)["label_l1"])


@pytest.mark.parametrize(("error", "exact"), [(0.99e-3, 1.0), (1.01e-3, 0.5), (1e-2, 0.5)])
def test_a_label_is_exact_below_an_l1_error_of_a_thousandth(error: float, exact: float) -> None:
    true = dataclasses.replace(truth(RGB, 2), labels=torch.tensor([0, 1]))
    labels = torch.eye(2, dtype=torch.float64)
    labels[0] += torch.tensor([-error / 2, error / 2])
    score = Scorer(RGB)(dataclasses.replace(perfect(true), labels=labels), true)
    assert score["labels_exact"] == exact
    assert score["label_accuracy"] == 1.0
