"""Completing directions to a basis: always regular, the given ones first."""

import pytest
import torch
from torch import Tensor

from spear.inversion.directions.basis_of_space import (
    completed,
    completed_around,
    orthogonal_complement,
)
from spear.inversion.directions.scale import is_regular

B = 5


def random(rows: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(rows, B, generator=generator, dtype=torch.float64)
    return drawn / torch.linalg.vector_norm(drawn, dim=1, keepdim=True)


@pytest.mark.parametrize("k", range(B + 1))
def test_a_complement_is_orthonormal_and_orthogonal_to_what_it_completes(k: int) -> None:
    columns = random(k).T
    complement = orthogonal_complement(columns)
    assert complement.shape == (B, B - k)
    torch.testing.assert_close(complement.T @ complement, torch.eye(B - k, dtype=torch.float64))
    torch.testing.assert_close(columns.T @ complement, complement.new_zeros(k, B - k))


@pytest.mark.parametrize("f", range(B + 1))
def test_the_rows_of_the_known_are_rows_of_the_inverse_of_the_completed(f: int) -> None:
    basis = random(B)
    rows = torch.linalg.inv(basis.T)[:f]
    filled = completed(basis[:f], rows)
    assert torch.equal(filled[:f], basis[:f])
    torch.testing.assert_close(torch.linalg.inv(filled.T)[:f], rows)


def test_rows_that_make_it_singular_are_given_up() -> None:
    directions = random(2)
    wrong = orthogonal_complement(directions.T).T[:2]  # the complement of these has the directions
    filled = completed(directions, wrong)
    assert is_regular(filled)
    torch.testing.assert_close(filled[2:] @ directions.T, filled.new_zeros(B - 2, 2))


@pytest.mark.parametrize("f", range(B + 1))
def test_rows_around_a_centre_stay_independent_at_one_scale_along_it(f: int) -> None:
    centre = random(1, seed=1)[0]
    filled = completed_around(random(f), centre)
    assert filled.shape == (B, B)
    along = filled @ centre
    assert (along[f:].abs() >= 1.0).all()
    scaled = filled / along[:, None]
    assert is_regular(scaled / torch.linalg.vector_norm(scaled, dim=1, keepdim=True))
