"""Lengths by the cross-entropy: closed forms of the last layer's gradient of a batch."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from torch.nn.functional import one_hot

from spear.inversion.network.lengths import lengths_by_loss
from spear.observation import Link


def last_layer(
    b: int, classes: int, size: float, seed: int = 0, spread: float = 1.0, width: int = 30
) -> tuple[Link, Tensor, Tensor, Tensor]:
    """A layer with the float64 gradient of N = `size` inputs, unit features, t and labels."""
    generator = torch.Generator().manual_seed(seed)
    weight = spread * torch.randn(classes, width, generator=generator, dtype=torch.float64)
    features = torch.randn(b, width, generator=generator, dtype=torch.float64)
    features = features / features.norm(dim=1, keepdim=True)
    factors = 0.2 + 3 * torch.rand(b, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (b,), generator=generator)
    inputs = factors[:, None] * features
    errors = (inputs @ weight.T).softmax(dim=1) - one_hot(labels, classes)
    return Link(weight, None, errors.T @ inputs / size, None), features, factors, labels


def test_the_slope_of_a_line_and_the_entry_of_the_label_give_length_and_batch_size():
    """One input of three classes: t = log(v_j / v_k) / (u_j - u_k), N = t (1 - p_y) / |v_y|."""
    last, features, factors, labels = last_layer(1, 3, size=1)
    v = (last.weight_gradient @ features[0]) / (features[0] @ features[0])
    u = last.weight @ features[0]
    assert int(v.argmin()) == int(labels[0])
    j, k = [each for each in range(3) if each != int(labels[0])]
    length = torch.log(v[j] / v[k]) / (u[j] - u[k])
    torch.testing.assert_close(length, factors[0])
    p = (length * u).softmax(dim=0)[labels[0]]
    torch.testing.assert_close(length * (1 - p) / -v[labels[0]], torch.tensor(1.0).double())
    found = lengths_by_loss(last, features)
    torch.testing.assert_close(found.factors[0], length)


@settings(max_examples=60, deadline=None)
@given(
    b=st.integers(1, 12),
    classes=st.integers(3, 12),
    hidden=st.integers(0, 3),
    seed=st.integers(0, 10_000),
    spread=st.sampled_from([0.05, 0.3, 1.0]),
)
def test_lengths_labels_and_batch_size_follow(b, classes, hidden, seed, spread):
    """Some inputs of the batch may leave no gradient: N > b."""
    last, features, factors, labels = last_layer(b, classes, b + hidden, seed, spread)
    found = lengths_by_loss(last, features)
    assert found.explained
    assert torch.equal(found.labels, labels)
    if bool((found.errors < 1e-3).all()):
        assert found.batch_size == b + hidden
        torch.testing.assert_close(found.factors, factors, rtol=1e-5, atol=0)


@pytest.mark.parametrize("factor", [0.5003, 0.9, 1.01, 2.0])
def test_a_gradient_times_a_factor_is_told(factor):
    last, features, *_ = last_layer(7, 10, size=7 / factor)
    assert not lengths_by_loss(last, features).explained


def test_two_classes_tell_no_length_by_themselves():
    last, features, _, labels = last_layer(4, 2, size=4)
    found = lengths_by_loss(last, features)
    assert bool(found.errors.isinf().all())
    assert torch.equal(found.labels, labels)


def test_logits_too_small_to_tell_the_batch_size_tell_no_length_for_certain():
    last, features, *_ = last_layer(4, 10, size=4, spread=1e-7)
    assert bool((lengths_by_loss(last, features).errors > 1e-3).all())


def test_soft_labels_are_told():
    last, features, factors, labels = last_layer(5, 10, size=5)
    inputs = factors[:, None] * features
    soft = 0.9 * one_hot(labels, 10) + 0.01
    gradient = ((inputs @ last.weight.T).softmax(dim=1) - soft).T @ inputs / 5
    assert not lengths_by_loss(Link(last.weight, None, gradient, None), features).explained


def test_more_features_than_the_layer_has_inputs_tell_nothing():
    last, features, *_ = last_layer(12, 4, size=12, width=10)
    assert lengths_by_loss(last, features) is None


@pytest.mark.parametrize("value", [0.0, 1e30])
def test_a_gradient_of_nothing_or_of_anything_is_not_explained(value):
    last, features, *_ = last_layer(3, 5, size=3)
    strange = Link(last.weight, None, torch.full_like(last.weight, value), None)
    found = lengths_by_loss(strange, features)
    assert not found.explained or not bool((found.errors < 1e-3).all())
