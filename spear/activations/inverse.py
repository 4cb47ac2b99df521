"""Pre-activations of known activations, where the function can be inverted."""

import math

import torch
from torch import Tensor

from spear.activations.elementwise import Elementwise, Pieces

FARTHEST = 2.0**10
"""Pre-activations are looked for up to this distance; beyond it an activation has saturated."""

HALVINGS = 64
"""Halvings of the interval around a pre-activation: they end at float64's rounding."""


def preimages(
    activation: Elementwise, values: Tensor, margin: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Find z with sigma(z) = a, for each activation a that has exactly one such z.

    Args:
        activation: sigma.
        values: a (k x m).
        margin: distance up to which a may be off; an a so near to a value that sigma takes several
            times, or not at all, counts as one.

    Returns:
        z (k x m, float64), and whether it is known (k x m, bool). Where it is not, z is 0: sigma
        takes the value twice (GELU below 0), everywhere on a piece (ReLU at 0), or nowhere.
    """
    values = values.to(torch.float64)
    if activation.pieces is not None:
        return _of_pieces(activation.pieces, values, margin)
    return _by_halving(activation, values, margin)


def _of_pieces(pieces: Pieces, values: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """z of each a on the inner piece, and on the outer ones if they rise."""
    inside = (values > pieces.inner * pieces.lower) & (values < pieces.inner * pieces.upper)
    clear = (values > pieces.inner * pieces.lower + margin) & (
        values < pieces.inner * pieces.upper - margin
    )
    outer = torch.as_tensor(pieces.outer, dtype=values.dtype, device=values.device)
    rises = (outer > 0).expand_as(values)
    folds = (outer < 0).expand_as(values)  # then an outer piece takes values of the inner one, too
    edge = values.clamp(pieces.inner * pieces.lower, pieces.inner * pieces.upper)
    beyond = edge / pieces.inner + (values - edge) / torch.where(rises, outer, 1.0)
    known = (clear & ~folds) | rises
    return torch.where(known, torch.where(inside, values / pieces.inner, beyond), 0.0), known


def _by_halving(activation: Elementwise, values: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """z above `increasing_from`, by halving an interval that holds it."""
    least = max(activation.increasing_from, -FARTHEST)
    if not math.isfinite(activation.increasing_from) and activation.increasing_from > 0:
        return torch.zeros_like(values), torch.zeros_like(values, dtype=torch.bool)
    low = torch.full_like(values, least)
    high = torch.full_like(values, FARTHEST)
    known = (values > activation.value(low) + margin) & (values < activation.value(high) - margin)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = activation.value(middle) >= values
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return torch.where(known, (low + high) / 2, 0.0), known
