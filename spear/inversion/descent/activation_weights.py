"""Row weights from a candidate's own predicted pre-activations.

A true column q_i of Q vanishes exactly on the rows where z_i = M p_i + bias <= 0, and
p_i ~ q_i / (s . q_i) (`coordinates`). So a candidate tells which rows *should* be zeros if it is
right: weighting row j by exp(-beta clip(z_j / std z, -2, 2)) makes true directions wide attractors,
from 8 % of random starts to 98 % at b = 24, m = 200 and from 0.2 % to 90 % at b = 50, m = 400.
"""

from torch import Tensor

from spear.inversion.descent.coordinates import Frame

CLIP = 2.0
"""Standard deviations beyond which a neuron (or an input) is as surely on or off as it can be."""


def log_activation_weights(
    frame: Frame, predictor: Tensor, sums: Tensor, directions: Tensor, sharpness: Tensor
) -> Tensor:
    """Return -beta_k clip(z_kj / std z_k), the logarithms of the row weights.

    Args:
        frame: for its bias.
        predictor: M A, or its part orthogonal to the known directions (m' x b).
        sums: A^T s, likewise (b).
        directions: q'_k (K x b).
        sharpness: beta_k (K x 1).

    Returns:
        K x m'.
    """
    lengths = (directions @ sums)[:, None]
    z = directions @ predictor.T
    return activation_weights(z / lengths + frame.bias, sharpness)


def activation_weights(z: Tensor, sharpness: Tensor | float) -> Tensor:
    """Return -beta_k clip(z_kj / std z_k) of pre-activations (K x m')."""
    return -sharpness * standardised(z).clamp(-CLIP, CLIP)


def standardised(z: Tensor) -> Tensor:
    """Return pre-activations in their deviations over the neurons (K x m')."""
    return (z / z.std(dim=1, keepdim=True)).nan_to_num(0.0)
