"""The left singular vectors and values of a gradient's signal, and a few of the noise beyond."""

import torch
from torch import Tensor

from spear.inversion.factors.large_matrix import column_chunks, left_multiply, right_multiply

NOISE_VALUES = 8
"""Singular values to compute beyond those of the signal, to see the noise behind it."""

FIRST_SKETCH = 32
"""Number of random combinations of columns at the start."""

LARGEST_SKETCH = 4
"""Combinations are cheaper up to the smaller dimension divided by this."""

COVERED = 300.0
"""Singular values up to this many times independent rounding errors may all be rounding errors."""

SQUARED_DUST = 1e-14
"""Eigenvalues of G G^T below this share of the largest are rounding errors of the squaring."""


def left_spectrum(gradient: Tensor, floor: float, at_least: int = 0) -> tuple[Tensor, Tensor]:
    """Left singular vectors (m x k) and values (k), descending, of a gradient G (m x n).

    They come from a basis of the dominant left space and one refinement, which costs a few products
    with G instead of its full decomposition.

    Args:
        gradient: G.
        floor: singular value expected of its rounding errors (`rank.rounding_floor`).
        at_least: least number of values, whatever the noise.

    Returns:
        All values above rounding errors and a few more; all min(m, n) of them if noise is above
        rounding errors.
    """
    basis = _sketched_space(gradient, floor, at_least + NOISE_VALUES)
    if basis is None:
        basis = _gram_space(gradient, at_least)
    return _refined(gradient, basis)


def _sketched_space(gradient: Tensor, floor: float, at_least: int) -> Tensor | None:
    """The same from random combinations of the columns, if a few of them carry all signal.

    A batch is often far smaller than the layer; the combinations then cost a fraction of the Gram
    matrix and its eigenvectors (Halko, Martinsson and Tropp, "Finding structure with randomness",
    2011). Their number doubles until the smallest singular values are rounding errors.

    Returns:
        m x k, or None if k would come close to m.
    """
    m, n = gradient.shape
    generator = torch.Generator(device=gradient.device).manual_seed(0)
    sketch = gradient.new_zeros(m, 0, dtype=torch.float64)
    size = FIRST_SKETCH
    while size <= min(m, n) // LARGEST_SKETCH:
        mixing = torch.randn(
            n, size - sketch.shape[1], generator=generator, dtype=torch.float64,
            device=gradient.device,
        )  # fmt: skip
        sketch = torch.cat([sketch, right_multiply(gradient, mixing.T)], dim=1)
        smallest = torch.linalg.svdvals(sketch)[-NOISE_VALUES]
        if size >= at_least and smallest <= COVERED * size**0.5 * floor:
            return torch.linalg.qr(sketch).Q
        size *= 2
    return None


def _gram_space(gradient: Tensor, at_least: int) -> Tensor:
    """Orthonormal columns (m x k) that carry all of the gradient's signal and some of its noise.

    From the Gram matrix of its rows or of its columns, whichever are fewer.
    """
    if gradient.shape[1] < gradient.shape[0]:
        row_space = _gram_space(gradient.T, at_least)
        return torch.linalg.qr(right_multiply(gradient, row_space.T)).Q
    gram = gradient.new_zeros(gradient.shape[0], gradient.shape[0], dtype=torch.float64)
    for chunk in column_chunks(gradient):
        gram.addmm_(chunk, chunk.T)
    values, vectors = torch.linalg.eigh(gram)
    signal = max(int((values > SQUARED_DUST * values[-1]).sum()), at_least)
    return vectors.flip(1)[:, : min(signal + NOISE_VALUES, *gradient.shape)]


def _refined(gradient: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors and values of `gradient` from a basis of its left space.

    The basis comes from a squared matrix, whose rounding mixes foreign directions into the vectors
    of small singular values. One subspace iteration removes them: G^T B spans the row space alone,
    and G times an orthonormal basis Y of that has the left singular vectors and values of G.
    """
    projected = left_multiply(basis.T, gradient)
    row_space = torch.linalg.qr(projected.T).Q
    vectors, values, _ = torch.linalg.svd(
        right_multiply(gradient, row_space.T), full_matrices=False
    )
    return vectors, values
