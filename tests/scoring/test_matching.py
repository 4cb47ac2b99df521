"""Matching: the least squared error, whatever the order, the number and the state of the rows."""

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spear.scoring import match
from spear.scoring.matching import match_tokens, similarities

SEEDS = st.integers(0, 2**32 - 1)


def normal(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@given(SEEDS, st.integers(1, 20), st.integers(1, 30))
def test_a_shuffled_batch_is_put_back_in_order(seed: int, b: int, n: int) -> None:
    true = normal(seed, b, n)
    shuffle = torch.randperm(b, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(shuffle[match(true[shuffle], true)], torch.arange(b))


@given(SEEDS)
def test_no_other_assignment_has_a_smaller_squared_error(seed: int) -> None:
    true, reconstructed = normal(seed, 4, 3), normal(seed + 1, 4, 3)
    best = min((reconstructed[list(p)] - true).square().sum() for p in permutations(range(4)))
    found = (reconstructed[match(reconstructed, true)] - true).square().sum()
    torch.testing.assert_close(found, best, rtol=1e-12, atol=0.0)


@given(SEEDS, st.integers(0, 6), st.integers(1, 6))
def test_true_rows_left_over_get_minus_one(seed: int, found: int, b: int) -> None:
    order = match(normal(seed, found, 5), normal(seed + 1, b, 5))
    used = order[order >= 0].tolist()
    assert order.dtype == torch.int64
    assert order.shape == (b,)
    assert len(set(used)) == len(used) == min(found, b)
    assert set(used) <= set(range(found))
    assert (order >= -1).all()


def test_rows_that_are_nearly_equal_are_told_apart() -> None:
    # |a|^2 + |b|^2 - 2ab would lose these differences: 1e-9 squared beside 1e6.
    true = torch.full((2, 1000), 1e3, dtype=torch.float64)
    true[1] += 1e-9
    assert match(true.flip(0), true).tolist() == [1, 0]


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf")])
def test_a_row_that_is_not_finite_matches_nothing(broken: float) -> None:
    true = normal(0, 3, 4)
    reconstructed = true.clone()
    reconstructed[1, 2] = broken
    assert match(reconstructed, true).tolist() == [0, -1, 2]
    assert match(torch.full_like(true, broken), true).tolist() == [-1, -1, -1]


def test_an_exploded_row_does_not_disturb_the_others() -> None:
    true = normal(0, 2, 4)
    reconstructed = torch.stack([true[1], torch.full((4,), 1e200, dtype=torch.float64)])
    assert match(reconstructed, true).tolist() == [1, 0]


@given(SEEDS, st.integers(1, 5), st.integers(0, 6))
def test_tokens_are_matched_with_the_fewest_errors(seed: int, b: int, found: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    true = torch.randint(0, 3, (b, 4), generator=generator)
    rows = torch.randint(0, 3, (found, 4), generator=generator)
    order = match_tokens(rows.double(), true)
    assert int((order < 0).sum()) == max(0, b - found)
    taken = order[order >= 0]
    assert len(set(taken.tolist())) == len(taken)
    wrong = (true[:, None] != rows[None]).sum(dim=2).tolist()
    ours = sum(wrong[i][j] for i, j in enumerate(order.tolist()) if j >= 0)
    if found >= b:
        best = min(
            sum(wrong[i][j] for i, j in enumerate(each)) for each in permutations(range(found), b)
        )
    else:
        best = min(
            sum(wrong[i][j] for j, i in enumerate(each)) for each in permutations(range(b), found)
        )
    assert ours == best


def test_rows_of_float32_are_as_similar_as_in_float64() -> None:
    true = normal(0, 5, 40).float()
    alike = similarities(-3 * true.flip(0), true)
    assert alike.dtype == torch.float64
    torch.testing.assert_close(alike, torch.ones(5).double(), rtol=0.0, atol=1e-14)


def test_rows_are_paired_for_the_greatest_sum_of_similarities() -> None:
    """Greedily 1.0 and 0; together 0.8 and 0.6."""
    true = torch.tensor([[1.0, 0.0], [0.8, 0.6]], dtype=torch.float64)
    found = torch.tensor([[0.8, 0.6], [0.0, -2.0]], dtype=torch.float64)
    assert similarities(found, true).tolist() == pytest.approx([0.8, 0.6])
