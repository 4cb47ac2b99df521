"""FixScale (Theorem 3.5) by hand: lengths from the bias gradient, none of them zero."""

from types import SimpleNamespace

import pytest
import torch

from spear.inversion.directions.scale import fix_scale, is_regular


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_lengths_sum_to_the_bias_and_none_is_zero(sign: float) -> None:
    problem = SimpleNamespace(bias_coordinates=sign * torch.tensor([2.0, 0.0, 1.0]).double())
    directions = torch.tensor([[1.0, 0, 1], [0, 3, 0], [0, 0, 1]]).double()
    found = fix_scale(problem, directions)  # type: ignore[arg-type]
    # Qbar c = (2, 0, 1): c = (1, 0, 1), and 0 becomes a trillionth of the longest
    assert found[:, 0].tolist() == [sign, 0.0, 0.0]
    assert found[:, 1].tolist() == pytest.approx([0.0, 3e-12, 0.0], rel=1e-9)
    assert found[:, 2].tolist() == [sign, 0.0, sign]
    assert torch.linalg.matrix_rank(found, rtol=1e-14) == 3


@pytest.mark.parametrize(("angle", "regular"), [(2e-10, True), (0.5e-10, False), (0.0, False)])
def test_columns_are_independent_beyond_rounding(angle: float, regular: bool) -> None:
    """The least singular value of two unit columns at a small angle is angle / sqrt 2."""
    columns = torch.tensor([[1.0, 1.0], [0.0, angle * 2**0.5]]).double()
    assert is_regular(columns) is regular
