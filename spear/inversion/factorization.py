"""dL/dW = L R with the batch size as inner dimension, and everything else the search needs.

Theorem 3.2 holds for every decomposition of full rank. Ours is *whitened*: L = sqrt(m) U with the
left singular vectors U, so that |L q| = sqrt(m) for every unit vector q and the sparsity of L q can
be compared across directions without regard to scale.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.noise import (
    NEARLY_WHITE,
    Noise,
    rounding_noise,
    white_edge,
    white_noise,
    white_noise_rank,
)
from spear.inversion.rank import estimate_rank, rounding_floor
from spear.observation import Observation
from spear.reconstruction import Status

CHUNK_COLUMNS = 1 << 16
"""Columns of the gradient that are widened to float64 at a time."""

SQUARED_DUST = 1e-14
"""Eigenvalues of G G^T below this share of the largest are rounding errors of the squaring."""

ABOVE_ROUNDING = 30.0
"""Errors this many times those of a float32 gradient have another cause."""

NOISE_VALUES = 8
"""Singular values to compute beyond those that the Gram matrix shows, to see the noise behind."""


@dataclass(frozen=True)
class Factorization:
    """An observation in the coordinates of the search; everything is float64.

    Rows of dL/dW that are zero throughout (neurons that no sample activates) tell nothing about
    any direction; `left` and `noise` leave them out.

    Attributes:
        left: L (m' x b), the rows of active neurons; L^T L = m' I.
        right: R (b x n), with dL/dW = L R on the active rows.
        singular_values: S_1..S_b of dL/dW.
        noise: what the errors of dL/dW do to L q, measured on what the rank-b part leaves over.
        bias_coordinates: s = L^+ dL/db = sum_i q_i (b), by Theorems 3.4 and 3.5.
        projected_weight: M = W R^T (m x b), all rows: the pre-activations are Z = M Q^-T + bias.
        bias: of the layer (m).
        weight_norms: lengths of the rows of W (m).
        active: which of the m rows are active (m, bool).
    """

    left: Tensor
    right: Tensor
    singular_values: Tensor
    noise: Noise
    bias_coordinates: Tensor
    projected_weight: Tensor
    bias: Tensor
    weight_norms: Tensor
    active: Tensor

    @property
    def b(self) -> int:
        """The rank of the gradient, which is the batch size."""
        return self.left.shape[1]

    @property
    def m(self) -> int:
        """Neurons of the layer, inactive ones included."""
        return self.active.shape[0]


def factorize(observation: Observation, rank: int | None = None) -> Factorization | Status:
    """Decompose an observation; the batch size comes from the singular values unless given.

    The left singular vectors come from the Gram matrix G G^T and one refinement by a subspace
    iteration, which costs three products with G instead of its full decomposition and keeps the
    accuracy of small singular values and their vectors that squaring loses.

    Args:
        observation: on the device where the search shall run.
        rank: number of inputs to look for, if the spectrum shall not decide.

    Returns:
        The factorisation, or the status that says why there is none (`ZERO_GRADIENT`, `FULL_RANK`).
    """
    active = observation.weight_gradient.ne(0).any(dim=1)
    gradient = observation.weight_gradient[active]
    if gradient.shape[0] == 0:
        return Status.ZERO_GRADIENT
    basis = _dominant_left_space(gradient, at_least=rank or 0)
    left_vectors, singular_values = _refine_left_space(gradient, basis)
    if rank is None:
        rank = _estimate_rank(gradient, singular_values)
    if not rank or rank > singular_values.numel():
        return Status.FULL_RANK
    left = left_vectors[:, :rank] * gradient.shape[0] ** 0.5
    right = _left_multiply(left.T / gradient.shape[0], gradient)
    bias_gradient = observation.bias_gradient[active].to(torch.float64)
    return Factorization(
        left=left,
        right=right,
        singular_values=singular_values[:rank],
        noise=_noise(gradient, left, right, singular_values),
        bias_coordinates=left.T @ bias_gradient / left.shape[0],
        projected_weight=_right_multiply(observation.weight, right),
        bias=observation.bias.to(torch.float64),
        weight_norms=torch.linalg.vector_norm(observation.weight, dim=1, dtype=torch.float64),
        active=active,
    )


def _estimate_rank(gradient: Tensor, singular_values: Tensor) -> int | None:
    """The rank by a gap, or else by white noise behind it."""
    by_gap = estimate_rank(singular_values, rounding_floor(gradient))
    if by_gap is not None or len(singular_values) < min(gradient.shape):
        return by_gap
    return white_noise_rank(singular_values, *gradient.shape)


def _noise(gradient: Tensor, left: Tensor, right: Tensor, singular_values: Tensor) -> Noise:
    """The kind of errors behind the first b singular values, and their strength."""
    b = left.shape[1]
    spread = _row_deviation(gradient, left, right)
    remainder = float(singular_values[b]) if b < len(singular_values) else 0.0
    rounding = ABOVE_ROUNDING * rounding_floor(gradient.to(torch.float32))
    n = gradient.shape[1]
    if rounding < remainder < NEARLY_WHITE * white_edge(spread, n):
        return white_noise(spread, singular_values[:b], remainder, n)
    return rounding_noise(spread, singular_values[:b], remainder)


def _dominant_left_space(gradient: Tensor, at_least: int) -> Tensor:
    """Orthonormal columns (m x k) that carry all of the gradient's signal and some of its noise."""
    gram = gradient.new_zeros(gradient.shape[0], gradient.shape[0], dtype=torch.float64)
    for chunk in _columns(gradient):
        wide = chunk.to(torch.float64)
        gram.addmm_(wide, wide.T)
    values, vectors = torch.linalg.eigh(gram)
    signal = max(int((values > SQUARED_DUST * values[-1]).sum()), at_least)
    return vectors.flip(1)[:, : min(signal + NOISE_VALUES, *gradient.shape)]


def _refine_left_space(gradient: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors and values of `gradient` from a basis of its left space.

    The basis comes from a squared matrix, whose rounding mixes foreign directions into the vectors
    of small singular values. One subspace iteration removes them: G^T B spans the row space alone,
    and G times an orthonormal basis Y of that has the left singular vectors and values of G.
    """
    projected = _left_multiply(basis.T, gradient)
    row_space = torch.linalg.qr(projected.T).Q
    vectors, values, _ = torch.linalg.svd(
        _right_multiply(gradient, row_space.T), full_matrices=False
    )
    return vectors, values


def _columns(matrix: Tensor) -> Iterator[Tensor]:
    """Chunks of columns, each to be widened to float64 on its own."""
    for start in range(0, matrix.shape[1], CHUNK_COLUMNS):
        yield matrix[:, start : start + CHUNK_COLUMNS]


def _left_multiply(small: Tensor, gradient: Tensor) -> Tensor:
    chunks = [small @ chunk.to(torch.float64) for chunk in _columns(gradient)]
    return torch.cat(chunks, dim=1)


def _right_multiply(weight: Tensor, right: Tensor) -> Tensor:
    product = right.new_zeros(weight.shape[0], right.shape[0])
    pieces = zip(_columns(weight), _columns(right), strict=True)
    for chunk, part in pieces:
        product.addmm_(chunk.to(torch.float64), part.T)
    return product


def _row_deviation(gradient: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Root mean square of each row of dL/dW - L R, corrected for the degrees of freedom fitted."""
    m, n = gradient.shape
    b = left.shape[1]
    squares = left.new_zeros(m)
    pieces = zip(_columns(gradient), _columns(right), strict=True)
    for chunk, part in pieces:
        squares += (chunk.to(torch.float64) - left @ part).square().sum(dim=1)
    freedom = max(m - b, 1) * max(n - b, 1) / m
    return (squares / freedom).sqrt()
