"""Whether zero rows determine a direction without any one of them, by ranks of small matrices."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spear.inversion.directions.determined import stands_without_any_row

B = 4


def determined(rows: Tensor, others: Tensor | None = None) -> bool:
    """Of the first axis, to which all zero rows are orthogonal."""
    others = torch.ones(2, B).double() if others is None else others
    left = torch.cat([rows, others])
    zeros = torch.zeros(1, len(left)).double()
    zeros[0, : len(rows)] = 1.0
    direction = torch.eye(B).double()[:1]
    return bool(stands_without_any_row(left, (rows.T @ rows)[None], direction, zeros))


def drawn(k: int, seed: int) -> Tensor:
    rows = torch.randn(k, B, generator=torch.Generator().manual_seed(seed)).double()
    rows[:, 0] = 0.0
    return rows


@given(st.integers(0, 1000), st.integers(1, 7), st.booleans())
def test_rank_without_any_row_decides(seed: int, k: int, planar: bool) -> None:
    rows = drawn(k, seed)
    if planar and k > 1:
        rows[1:, 1] = 0.0  # the first row alone carries a dimension
    without = [torch.cat([rows[:i], rows[i + 1 :]]) for i in range(k)]
    expected = all(int(torch.linalg.matrix_rank(each)) == B - 1 for each in without)
    assert determined(rows) is expected


def with_leverage(leverage: float) -> Tensor:
    """Zero rows of which the first has this leverage: x^2 / (x^2 + y^2) along its own axis."""
    rows = torch.zeros(8, B).double()
    rows[0, 1], rows[1, 1] = leverage**0.5, (1 - leverage) ** 0.5
    rows[2:5, 2], rows[5:8, 3] = 0.5, 0.5
    return rows


@pytest.mark.parametrize(("off_one", "expected"), [(2e-6, True), (0.5e-6, False), (0.0, False)])
def test_a_leverage_within_a_millionth_of_one_stands_alone(off_one: float, expected: bool) -> None:
    assert determined(with_leverage(1 - off_one)) is expected


@pytest.mark.parametrize(("share", "expected"), [(2e-8, True), (0.5e-8, False)])
def test_a_pivot_below_the_noise_is_a_kernel_of_two_dimensions(
    share: float, expected: bool
) -> None:
    """The mean eigenvalue is that of b = 4 axes, of which the last has this share of it."""
    rows = torch.zeros(6, B).double()
    rows[:2, 1], rows[2:4, 2] = 1.0, 1.0
    rows[4:, 3] = share**0.5 / 2**0.5  # 4 of 4 axes in all: the mean is 1
    assert determined(rows) is expected


def test_rows_that_are_not_zero_have_no_say() -> None:
    loud = 1e3 * torch.ones(3, B).double()
    assert determined(drawn(5, 0), loud)
