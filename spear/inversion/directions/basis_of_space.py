"""Completing independent directions to a basis, so that there is always a reconstruction."""

import torch
from torch import Tensor

from spear.inversion.directions.scale import is_regular


def orthogonal_complement(columns: Tensor) -> Tensor:
    """Return orthonormal columns that complete k independent ones to a basis.

    Args:
        columns: b x k, k <= b; k = 0 gives a basis of the whole space.

    Returns:
        b x (b - k), orthogonal to each of the given columns.
    """
    complete = torch.linalg.qr(columns, mode="complete").Q
    return complete[:, columns.shape[1] :]


def completed(directions: Tensor, orthogonal_to: Tensor) -> Tensor:
    """Fill up f directions q_l with vectors orthogonal to their rows p_l of Q^-1.

    The p_l are then rows of the inverse of the completed basis, too. If the result is singular,
    because the p_l were fitted to wrong directions, the vectors are orthogonal to the q_l instead.

    Args:
        directions: unit rows q_l, independent (f x b).
        orthogonal_to: rows p_l (f x b).

    Returns:
        b independent rows, the given directions first.
    """
    for rows in (orthogonal_to, directions):
        filled = torch.cat([directions, orthogonal_complement(rows.T).T])
        if is_regular(filled):
            break
    return filled


def completed_around(directions: Tensor, centre: Tensor) -> Tensor:
    """Fill up f directions with the sums of `centre` and vectors orthogonal to the directions.

    All of these have a part along `centre`, and stay independent if each is scaled to the same one.

    Args:
        directions: rows, independent (f x b).
        centre: unit vector (b).

    Returns:
        b rows, the given directions first.
    """
    filling = orthogonal_complement(directions.T).T
    lifted = filling + centre * torch.where(filling @ centre < 0, -1.0, 1.0)[:, None]
    return torch.cat([directions, lifted])
