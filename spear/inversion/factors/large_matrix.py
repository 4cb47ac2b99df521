"""Products with a matrix too large for a copy in float64: a chunk of columns at a time.

The functions take any tensor, because most callers have one as it came from the client and need a
single product; only `decompose` needs many, and widens a small matrix once (`widened_if_small`).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK_COLUMNS = 1 << 14
"""Columns that are widened to float64 at a time. At m = 200 they take 26 MB, which the allocator
reuses for the next chunk; from 32 MB on it would ask the system for new memory for each chunk."""

WHOLE = 1 << 27
"""Entries of a matrix that is widened once, as a whole (1 GiB)."""


def widened_if_small(matrix: Tensor) -> Tensor:
    """Return `matrix` in float64, or as it is if that would be too large."""
    return matrix.to(torch.float64) if matrix.numel() <= WHOLE else matrix


def column_chunks(matrix: Tensor) -> Iterator[Tensor]:
    """Yield chunks of columns in float64."""
    for start in range(0, matrix.shape[1], CHUNK_COLUMNS):
        yield matrix[:, start : start + CHUNK_COLUMNS].to(torch.float64)


def left_multiply(small: Tensor, matrix: Tensor) -> Tensor:
    """Return small @ matrix (k x m times m x n)."""
    return torch.cat([small @ chunk for chunk in column_chunks(matrix)], dim=1)


def right_multiply(matrix: Tensor, small: Tensor) -> Tensor:
    """Return matrix @ small^T (m x n times n x k, given as k x n)."""
    product = small.new_zeros(matrix.shape[0], small.shape[0])
    for chunk, part in zip(column_chunks(matrix), column_chunks(small), strict=True):
        product.addmm_(chunk, part.T)
    return product


def row_norms(matrix: Tensor) -> Tensor:
    """Return the lengths of the rows of `matrix` (m)."""
    lengths = [torch.linalg.vector_norm(chunk, dim=1) for chunk in column_chunks(matrix)]
    return torch.linalg.vector_norm(torch.stack(lengths), dim=0)
