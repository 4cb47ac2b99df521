"""Sparse directions by iteratively reweighted least squares on the unit sphere.

Minimise sum_j |(L q)_j|^p over |q| = 1. A smoothed term (y^2 + e^2)^(p/2) has the quadratic
majoriser w y^2 + const. with w = (y^2 + e^2)^(p/2 - 1) at the current y (Chartrand and Yin,
"Iteratively reweighted algorithms for compressive sensing", 2008), so that a step minimises
q^T H q, H = L^T diag(w) L, on the sphere: one inverse iteration q <- H^-1 q / |H^-1 q| towards its
least eigenvector. The smoothing e falls geometrically from 1, the root mean square of L q.

Each weight is multiplied by the candidate's own activation weight (`activation_weights`). All
starts run at once: one product of weights with the table of products of L's columns, one batched
Cholesky factorisation.
"""

import torch
from torch import Tensor

from spear.inversion.descent.activation_weights import log_activation_weights
from spear.inversion.descent.coordinates import Frame
from spear.inversion.descent.deflation import Deflation
from spear.inversion.descent.starts import Starts
from spear.inversion.factors.gram import Grams, inverse_iteration

ITERATIONS = 25
SHRINKING = 0.7
"""Factor on the smoothing e from one iteration to the next; 25 of them end at 1.3e-4."""

RIDGE = 1e-7
"""Keeps H factorisable in float32, relative to its mean eigenvalue."""


def sparse_directions(frame: Frame, grams: Grams, starts: Starts, deflation: Deflation) -> Tensor:
    """Return the end of IRLS from each start.

    Args:
        frame: the coordinates of the round.
        grams: of `frame.left`.
        starts: unit vectors and settings of K searches.
        deflation: the known directions.

    Returns:
        Unit vectors in the frame's coordinates (K x b).
    """
    directions = starts.directions
    smoothing = 1.0
    for iteration in range(ITERATIONS):
        weights = sparsity_weights(directions @ frame.left.T, starts.exponents, smoothing)
        weights += log_activation_weights(
            frame, deflation.predictor, deflation.sums, directions, starts.sharpness
        )
        matrices = grams(weights.exp_())
        deflation.penalise(matrices, iteration / ITERATIONS)
        directions = inverse_iteration(matrices, directions, RIDGE)
        smoothing *= SHRINKING
    return directions


def sparsity_weights(values: Tensor, exponents: Tensor, smoothing: float) -> Tensor:
    """(p/2 - 1) log(y^2 + e^2), the logarithms of IRLS weights (K x m'); exponents are K x 1."""
    return (exponents / 2 - 1) * torch.log(values.square() + smoothing**2)
