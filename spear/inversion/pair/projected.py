"""Least squares for rows whose weighted activations lie nearest to the row space of G2.

With weights w of the neurons (the slope of each one's piece, or how likely it is active) the
activations are w * (M p) + c. The part outside the space, (I - R2^T R2) (w * (M p) + c), is linear
in p, and its normal equations need no m x m matrix:

    (w M)^T (w M) - (R2 w M)^T (R2 w M),    right side -(w M)^T (I - R2^T R2) c.
"""

import torch
from torch import Tensor

from spear.inversion.factors.gram import TABLE_BYTES, Grams
from spear.inversion.factors.memory import bytes_at_once


def projected_equations(
    grams: Grams, predictor: Tensor, space: Tensor, weights: Tensor, constants: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the matrices (K x d x d) and right sides (K x d) of the normal equations.

    Args:
        grams: weighted Gram matrices of the predictor.
        predictor: M on the neurons (m' x d).
        space: orthonormal rows R2 on them (r x m').
        weights: w (K x m').
        constants: c (K x m').
    """
    rest = constants - (constants @ space.T) @ space
    matrices = grams(weights.square()) - _inside(predictor, space, weights)
    return matrices, -((rest * weights) @ predictor)


def solved(matrices: Tensor, right: Tensor, otherwise: Tensor) -> Tensor:
    """Solve normal equations by Cholesky decompositions (K x d).

    Args:
        matrices: K x d x d.
        right: K x d.
        otherwise: solutions of those that are singular (K x d, or one number).
    """
    factor, info = torch.linalg.cholesky_ex(matrices)
    found = torch.cholesky_solve(right[:, :, None], factor)[:, :, 0]
    return torch.where((info == 0)[:, None], found, otherwise).nan_to_num(0.0)


def _inside(predictor: Tensor, space: Tensor, weights: Tensor) -> Tensor:
    """Gram matrices of R2 diag(w) M (K x d x d), some at a time."""
    size = space.numel() * space.element_size()
    count = max(1, bytes_at_once(weights.device, TABLE_BYTES) // size)
    parts = [(space * part[:, None, :]) @ predictor for part in torch.split(weights, count)]
    return torch.cat([part.mT @ part for part in parts])
