"""Products with a matrix too large for a copy in float64: a chunk of columns at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK_COLUMNS = 1 << 14
"""Columns that are widened to float64 at a time. At m = 200 they take 26 MB, which the allocator
uses again for the next chunk; from 32 MB on every chunk would be new memory from the system."""

WHOLE = 1 << 27
"""Entries of a matrix that is widened once, as a whole (1 GiB)."""


def widened(matrix: Tensor) -> Tensor:
    """`matrix` in float64 if that is not too large, else as it is, for `columns` to widen."""
    return matrix.to(torch.float64) if matrix.numel() <= WHOLE else matrix


def columns(matrix: Tensor) -> Iterator[Tensor]:
    """Chunks of columns in float64."""
    for start in range(0, matrix.shape[1], CHUNK_COLUMNS):
        yield matrix[:, start : start + CHUNK_COLUMNS].to(torch.float64)


def left_multiply(small: Tensor, matrix: Tensor) -> Tensor:
    """small @ matrix (k x m times m x n)."""
    return torch.cat([small @ chunk for chunk in columns(matrix)], dim=1)


def right_multiply(matrix: Tensor, small: Tensor) -> Tensor:
    """matrix @ small^T (m x n times n x k, given as k x n)."""
    product = small.new_zeros(matrix.shape[0], small.shape[0])
    for chunk, part in zip(columns(matrix), columns(small), strict=True):
        product.addmm_(chunk, part.T)
    return product


def row_norms(matrix: Tensor) -> Tensor:
    """Lengths of the rows of `matrix` (m)."""
    lengths = [torch.linalg.vector_norm(chunk, dim=1) for chunk in columns(matrix)]
    return torch.linalg.vector_norm(torch.stack(lengths), dim=0)
