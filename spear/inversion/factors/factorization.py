"""dL/dW = L R with the batch size as inner dimension, and everything else the search needs.

Theorem 3.2 holds for every decomposition of full rank. Ours is *whitened*: L = sqrt(m) U with the
left singular vectors U, so that |L q| = sqrt(m) for every unit vector q and the sparsity of L q can
be compared across directions without regard to scale.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.errors import InvalidObservation
from spear.inversion.factors.large_matrix import (
    column_chunks,
    left_multiply,
    right_multiply,
    row_norms,
    widened_if_small,
)
from spear.inversion.factors.noise import (
    LEAST_BULK,
    NEARLY_WHITE,
    Noise,
    rounding_noise,
    white_edge,
    white_noise,
    white_noise_rank,
)
from spear.inversion.factors.rank import estimate_rank, rounding_floor
from spear.inversion.factors.signs import check_no_signs
from spear.inversion.factors.spectrum import left_spectrum
from spear.observation import Observation
from spear.reconstruction import Status

FLOAT32 = torch.finfo(torch.float32).eps

ENOUGH_COLUMNS = 2048
"""Number of columns that give the deviation of a row to within about two per cent."""

BIAS_ROUNDING = 1e-5
"""Share of dL/db that rounding may put outside the columns of dL/dW; 1e-7 in batches of images
and of table rows, where few of the sums in dL/db cancel."""

ABOVE_ROUNDING = 30.0
"""Errors this many times those of a float32 gradient have another cause."""

MOST_DEPENDENT = 0.2
"""Largest share of the rows that may follow from others exactly in an update that is rounded."""


@dataclass(frozen=True)
class Decomposition:
    """A gradient G = L R of rank b, L whitened; everything is float64.

    Rows of G that are zero throughout (for G = dL/dW, neurons that no sample activates) carry
    no information on directions; `left` and `noise` leave them out.

    Attributes:
        left: L (m' x b), the active rows; L^T L = m' I.
        right: R (b x n), with G = L R on the active rows.
        singular_values: S_1..S_b of G.
        noise: effect of the errors of G on L q, measured on the residual of the rank-b part.
        active: which of the m rows are active (m, bool).
        gap: ratio of S_b to S_{b+1}; infinite if there is no S_{b+1}.
    """

    left: Tensor
    right: Tensor
    singular_values: Tensor
    noise: Noise
    active: Tensor
    gap: float

    @property
    def b(self) -> int:
        """The rank of the gradient, which is the batch size."""
        return self.left.shape[1]

    @property
    def m(self) -> int:
        """Rows of the gradient (neurons of the layer), inactive ones included."""
        return self.active.shape[0]


@dataclass(frozen=True)
class Factorization(Decomposition):
    """An observation in the coordinates of the search: dL/dW = L R, and the layer's parameters.

    Attributes:
        bias_coordinates: s = L^+ dL/db = sum_i q_i (b), by Theorems 3.4 and 3.5.
        bias_fits: whether dL/db is L s up to rounding, as it is if both gradients are of one batch;
            no other test detects errors in dL/db, and hence in the scale of the inputs.
        projected_weight: M = W R^T (m x b), all rows: the pre-activations are Z = M Q^-T + bias.
        bias: of the layer (m).
        weight_norms: lengths of the rows of W (m).
    """

    bias_coordinates: Tensor
    bias_fits: bool
    projected_weight: Tensor
    bias: Tensor
    weight_norms: Tensor


def factorize(observation: Observation, rank: int | None = None) -> Factorization | Status:
    """Decompose an observation; the batch size comes from the singular values unless given.

    Args:
        observation: on the device where the search is to run.
        rank: number of inputs to look for; None to take it from the spectrum.

    Returns:
        The factorisation, or the status that says why there is none (`ZERO_GRADIENT`, `FULL_RANK`).

    Raises:
        InvalidObservation: see `check_bias_gradient` and `decompose`.
    """
    found = decompose(observation.weight_gradient, rank)
    if isinstance(found, Status):
        return found
    check_bias_gradient(observation)
    bias_gradient = observation.bias_gradient[found.active].to(torch.float64)
    coordinates = found.left.T @ bias_gradient / found.left.shape[0]
    return Factorization(
        **vars(found),
        bias_coordinates=coordinates,
        bias_fits=fits(found.left @ coordinates, bias_gradient),
        projected_weight=right_multiply(observation.weight, found.right),
        bias=observation.bias.to(torch.float64),
        weight_norms=row_norms(observation.weight),
    )


def check_bias_gradient(observation: Observation) -> None:
    """Refuse a bias gradient of zeros, in which no input has a scale.

    Raises:
        InvalidObservation: the bias gradient is zero but the weight gradient is not.
    """
    if not observation.bias_gradient.any():
        raise InvalidObservation(
            "bias_gradient is zero everywhere, but weight_gradient is not; the attack finds the "
            "scale of each input from it (Theorem 3.5), so give that of a bias which is trained."
        )


def fits(combination: Tensor, bias_gradient: Tensor) -> bool:
    """Return whether columns of dL/dZ combine to dL/db (m) up to rounding in float32."""
    error = torch.linalg.vector_norm(combination - bias_gradient)
    return bool(error <= BIAS_ROUNDING * torch.linalg.vector_norm(bias_gradient))


def decompose(gradient: Tensor, rank: int | None = None) -> Decomposition | Status:
    """Decompose a gradient G (m x n); see `factorize`.

    Raises:
        InvalidObservation: it consists of signs, and no rank is given.
    """
    active = gradient.ne(0).any(dim=1)
    if not active.all():
        gradient = gradient[active]
    if gradient.shape[0] == 0:
        return Status.ZERO_GRADIENT
    if rank is None:
        check_no_signs(gradient)
    dtype, gradient = gradient.dtype, widened_if_small(gradient)
    floor = rounding_floor(gradient, dtype)
    # Clients compute in float32, whatever their gradient was converted to.
    client_floor = floor * max(1.0, FLOAT32 / torch.finfo(dtype).eps)
    left_vectors, singular_values = left_spectrum(gradient, floor, at_least=rank or 0)
    columns = int(gradient.ne(0).any(dim=0).sum())
    # Zero columns, such as pixels that are black in all images, add singular values that are zero.
    singular_values = singular_values[: max(columns, rank or 0)]
    if rank is None:
        rank = _estimate_rank(singular_values, gradient.shape[0], columns, floor)
    if not rank or rank > singular_values.numel():
        return Status.FULL_RANK
    left = left_vectors[:, :rank] * gradient.shape[0] ** 0.5
    right = left_multiply(left.T / gradient.shape[0], gradient)
    return Decomposition(
        left=left,
        right=right,
        singular_values=singular_values[:rank],
        noise=_noise(gradient, left, right, singular_values, client_floor, columns),
        active=active,
        gap=_gap(singular_values, rank),
    )


def _gap(singular_values: Tensor, rank: int) -> float:
    behind = float(singular_values[rank]) if rank < len(singular_values) else 0.0
    return float(singular_values[rank - 1]) / behind if behind > 0 else float("inf")


def _estimate_rank(singular_values: Tensor, m: int, n: int, floor: float) -> int | None:
    """The rank by a gap; or by white noise, if there is no gap, or one within the signal.

    Noise that is nearly white has a few values above the law; they do not count.

    Args:
        singular_values: the largest ones, descending.
        m, n: numbers of the rows and columns that are not zero.
        floor: of rounding errors.
    """
    by_gap = estimate_rank(singular_values, floor)
    if len(singular_values) < min(m, n):
        return by_gap
    by_noise = white_noise_rank(singular_values, m, n)
    if by_noise is None:
        independent = _rank_beside_dependent_rows(singular_values, m, n, floor)
        if independent is not None:
            return independent
    if by_gap is None or by_noise is None:
        return by_noise if by_gap is None else by_gap
    behind_gap, edge = float(singular_values[by_gap]), float(singular_values[by_noise])
    return by_noise if behind_gap > NEARLY_WHITE * edge else by_gap


def _rank_beside_dependent_rows(
    singular_values: Tensor, m: int, n: int, floor: float
) -> int | None:
    """The rank by white noise, or by a gap, if a few rows follow from others exactly.

    So they do where a gradient was rounded to few bits: of two neurons that one input alone
    activates, one's row may be a power of two times the other's. A gap behind these singular
    values, which are zero, would be the last one, and no sign of the batch.
    """
    kept = int((singular_values > floor).sum())
    dependent = len(singular_values) - kept
    if kept < LEAST_BULK or not 0 < dependent <= MOST_DEPENDENT * len(singular_values):
        return None
    rows, columns = (m - dependent, n) if m <= n else (m, n - dependent)
    by_noise = white_noise_rank(singular_values[:kept], rows, columns)
    if by_noise is not None:
        return by_noise
    by_gap = estimate_rank(singular_values[:kept], floor)
    return by_gap if by_gap is not None and by_gap <= kept // 2 else None


def _noise(
    gradient: Tensor,
    left: Tensor,
    right: Tensor,
    singular_values: Tensor,
    client_floor: float,
    n: int,
) -> Noise:
    """The kind of errors behind the first b singular values, and their strength.

    Args:
        gradient, left, right: G = L R and an error.
        singular_values: of G.
        client_floor: of rounding errors in float32.
        n: number of G's columns that are not zero.
    """
    b = left.shape[1]
    spread = _row_deviation(gradient, left, right)
    full = spread * (gradient.shape[1] / n) ** 0.5  # zero columns have no noise
    remainder = float(singular_values[b]) if b < len(singular_values) else 0.0
    rounding = ABOVE_ROUNDING * client_floor
    if rounding < remainder < NEARLY_WHITE * white_edge(full, n):
        return white_noise(full, singular_values[:b], remainder, n)
    return rounding_noise(spread, singular_values[:b], remainder)


def _row_deviation(gradient: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Root mean square of each row of dL/dW - L R, corrected for the degrees of freedom fitted.

    Measured on some of the columns, evenly spaced, if there are many.
    """
    m, b = left.shape
    step = max(1, gradient.shape[1] // ENOUGH_COLUMNS)
    sample, fitted = gradient[:, ::step], right[:, ::step]
    squares = left.new_zeros(m)
    for chunk, part in zip(column_chunks(sample), column_chunks(fitted), strict=True):
        squares += (chunk - left @ part).square().sum(dim=1)
    n = gradient.shape[1]
    freedom = sample.shape[1] * max(m - b, 1) * max(n - b, 1) / (m * n)
    return (squares / freedom).sqrt()
