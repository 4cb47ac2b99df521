"""Features: similarity whatever their order, sign and scale."""

import math

import pytest
import torch
from support.scored import RGB, found, perfect, truth

from spear.scoring import Scorer, Truth


def test_features_are_similar_whatever_their_order_sign_and_scale() -> None:
    true = truth(RGB, 3)
    factors = torch.tensor([[-1.0], [0.1], [1e200]], dtype=torch.float64)
    mixed = true.inputs[[2, 0, 1]] * factors
    score = Scorer(RGB)(found(mixed, true.activation_gradients), true)
    assert score["feature_similarity"] == pytest.approx(1.0)
    assert Scorer(RGB)(perfect(true), true)["feature_similarity"] == pytest.approx(1.0)


def test_features_that_are_missing_or_broken_count_as_zero() -> None:
    inputs = torch.eye(4, RGB.normalized(torch.zeros(1, 3, 16, 16)).numel(), dtype=torch.float64)
    true = Truth(inputs, torch.rand(30, 4, dtype=torch.float64), torch.zeros(4))
    mixed = (inputs[0] + inputs[1]) / 2**0.5
    broken = torch.stack([inputs[3], mixed, torch.full_like(mixed, math.nan)])
    score = Scorer(RGB)(found(broken, true.activation_gradients[:, :3]), true)
    assert score["feature_similarity"] == pytest.approx((1 + 0.5**0.5) / 4)
    nothing = found(inputs[:0], true.activation_gradients[:, :0])
    assert Scorer(RGB)(nothing, true)["feature_similarity"] == 0.0
