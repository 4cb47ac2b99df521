"""Gram matrices of weighted rows."""

import pytest
import torch

from spear.inversion.factors.gram import Grams, grams_once


@pytest.mark.parametrize("k", [1, 5, 6, 20])
def test_grams_are_the_same_for_few_directions_and_for_many(k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(30, 6, generator=generator, dtype=torch.float64)
    weights = torch.rand(30, k, generator=generator, dtype=torch.float64)
    expected = torch.einsum("jk,ja,jb->kab", weights, left, left)
    torch.testing.assert_close(grams_once(left, weights.T), expected)
    zeros = weights < 0.5
    torch.testing.assert_close(grams_once(left, zeros.T), grams_once(left, zeros.T.double()))
    torch.testing.assert_close(grams_once(left, weights.T), Grams(left)(weights.T))
