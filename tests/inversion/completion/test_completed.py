"""Gradients of low rank from some of their entries."""

import pytest
import torch

from spear.inversion.completion.alternating import fitted, regressed
from spear.inversion.completion.completed import complete
from spear.inversion.completion.core import well_known

M, N, RANK = 40, 90, 3


def low_rank(rank=RANK, m=M, n=N, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(m, rank, generator=generator, dtype=torch.float64)
    right = torch.randn(rank, n, generator=generator, dtype=torch.float64)
    return (left @ right).to(dtype)


def pruned(matrix, share):
    """The entries of least magnitude are removed."""
    least = matrix.abs().flatten().topk(int(share * matrix.numel()), largest=False).indices
    return matrix.flatten().index_fill(0, least, 0.0).view_as(matrix)


def thinned(matrix, share, seed=1):
    """Entries are removed at random."""
    generator = torch.Generator().manual_seed(seed)
    return matrix * (torch.rand(matrix.shape, generator=generator) >= share)


@pytest.mark.parametrize("removed", [pruned, thinned])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_removed_entries_follow_from_those_left(removed, share):
    matrix = low_rank()
    found = complete(removed(matrix, share))
    assert found is not None
    assert found.rank == RANK
    assert found.rows.double().mean() > 0.9
    assert found.columns.double().mean() > 0.8
    difference = (found.matrix - matrix)[found.rows][:, found.columns]
    assert float(difference.abs().max()) < 1e-9


@pytest.mark.parametrize("rank", [1, 2, 4, 7])
def test_the_rank_is_found(rank):
    found = complete(thinned(low_rank(rank), 0.2))
    assert found is not None
    assert found.rank == rank


def test_in_float32_the_entries_are_met_to_their_rounding():
    matrix = low_rank()
    found = complete(pruned(matrix.float(), 0.5))
    assert found is not None
    assert found.residual < 4 * torch.finfo(torch.float32).eps
    difference = (found.matrix - matrix)[found.rows][:, found.columns]
    assert float(difference.norm() / matrix.norm()) < 1e-6


def test_a_row_with_too_few_entries_stays_open_and_all_else_is_found():
    matrix = low_rank()
    left = thinned(matrix, 0.3)
    left[5, RANK:] = 0.0
    found = complete(left)
    assert found is not None
    assert not bool(found.rows[5])
    assert int(found.rows.sum()) == M - 1
    others = found.rows.nonzero().squeeze(1)
    torch.testing.assert_close(found.matrix[others], matrix[others], rtol=0, atol=1e-9)


def test_no_rank_explains_a_matrix_with_an_altered_entry():
    left = thinned(low_rank(), 0.3)
    row, column = left.nonzero()[7].tolist()
    left[row, column] *= 1.01
    assert complete(left) is None


def test_no_rank_explains_noise():
    noise = torch.randn(M, N, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert complete(thinned(noise, 0.3)) is None


def test_too_few_entries_determine_nothing():
    assert complete(thinned(low_rank(), 0.95)) is None


def test_regression_is_that_of_each_row_alone():
    matrix, right = low_rank(), low_rank(RANK, N, RANK, seed=5)
    mask = (thinned(torch.ones(M, N), 0.4) > 0).double()
    found = regressed(matrix * mask, mask, right)
    for row in range(0, M, 7):
        seen = mask[row] > 0
        expected = torch.linalg.lstsq(right[seen], matrix[row, seen].unsqueeze(1)).solution
        torch.testing.assert_close(found[row], expected.squeeze(1))


def test_a_fit_of_too_low_a_rank_has_a_residual():
    matrix = low_rank()
    assert fitted(matrix, matrix != 0, RANK - 1).residual > 1e-3
    assert fitted(matrix, matrix != 0, RANK).residual < 1e-12


def test_well_known_rows_and_columns_have_enough_entries_in_each_other():
    known = torch.rand(M, N, generator=torch.Generator().manual_seed(3)) < 0.4
    known[:3] = False
    rows, columns = well_known(known, 8)
    assert not bool(rows[:3].any())
    block = known[rows][:, columns]
    assert int(block.sum(dim=0).min()) >= 8
    assert int(block.sum(dim=1).min()) >= 8
    assert not bool(well_known(known, N + 1)[0].any())
