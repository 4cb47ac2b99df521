"""The first sparsity filter (Sec. 4.1): a look at a few rows that no submatrix contains."""

import torch
from torch import Tensor

from spear.inversion.directions.distinct import SAME_SAMPLED, distinct
from spear.inversion.directions.zeros import first_zeros
from spear.inversion.factors.memory import bytes_at_once
from spear.inversion.sampling.samplers import Sampler

TEST_ROWS, TEST_ZEROS = 16, 2
"""Rows it looks at, and zeros among them that let a direction pass. A true direction has fewer with
probability 17 / 2^16; a random one has no zeros, up to rounding."""

LOOKED_AT = 2048
"""Directions that are compared with one another."""

CPU_CHUNK_BYTES = 1 << 24
"""Submatrices that are worked on at once on a CPU, a few times the size of its cache."""

GPU_CHUNK_SHARE = 256
"""A GPU's memory holds this many of its chunks: PyTorch keeps memory for chunks of every size."""


def draw_promising(
    sampler: Sampler,
    left: Tensor,
    count: int,
    generator: torch.Generator,
    among: Tensor | None = None,
) -> tuple[Tensor, int]:
    """Directions of random submatrices that pass the first filter, and how many were drawn.

    No submatrix is favoured, because which rows are kept out changes from call to call.

    Args:
        sampler: method that turns submatrices into directions.
        left: L (m' x b), in the dtype of the search.
        count: draws.
        generator: on the device of `left`.
        among: indices of rows to draw from; by default all that the filter does not look at.

    Returns:
        Unit vectors (k x b), and the number of submatrices drawn.
    """
    m, b = left.shape
    test_rows = max(min(TEST_ROWS, m - b), 0)
    test_zeros = TEST_ZEROS if test_rows == TEST_ROWS else 0
    shuffled = torch.rand(m, generator=generator, device=left.device).argsort()
    tested, sampled = left[shuffled[:test_rows]], left[shuffled[test_rows:]]
    directions = sampler.draw(sampled if among is None else left[among], count, generator)
    return directions[first_zeros(tested, directions) >= test_zeros], directions.shape[0]


def sparsest_distinct(left: Tensor, directions: Tensor, least_zeros: int) -> Tensor:
    """Return the sparsest of directions that were drawn repeatedly, each once.

    Args:
        left: L (m' x b), float64.
        directions: unit vectors (k x b) from submatrices; the first `LOOKED_AT` with enough
            zeros are compared.
        least_zeros: zeros of L q below which a direction is left out.

    Returns:
        Unit vectors (k' x b), float64, those with the most zeros first.
    """
    rows = left.to(directions.dtype)
    directions = directions[first_zeros(rows, directions) >= least_zeros][:LOOKED_AT]
    zeros = first_zeros(rows, directions)
    directions = directions[zeros.argsort(descending=True, stable=True)]
    return distinct(directions.to(left.dtype), SAME_SAMPLED)


def largest_chunk(b: int, dtype: torch.dtype, device: torch.device) -> int:
    """Draws whose b x b matrices fit the cache of a CPU, or a share of a GPU's."""
    size = bytes_at_once(device, CPU_CHUNK_BYTES, GPU_CHUNK_SHARE)
    return max(1, size // (b * b * dtype.itemsize))
