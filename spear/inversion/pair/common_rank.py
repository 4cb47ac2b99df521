"""Number of samples behind a layer pair whose weakest ones reach down to rounding.

The gradients of both layers have the rank b, if the next layer is wide enough, and errors of their
own. A gap that is too small to count in one of them counts if both have it at the same place.
"""

import torch
from torch import Tensor

from spear.inversion.factors.factorization import ABOVE_ROUNDING, FLOAT32
from spear.inversion.factors.large_matrix import widened_if_small
from spear.inversion.factors.rank import rounding_floor
from spear.inversion.factors.spectrum import left_spectrum
from spear.observation import LayerPair

LEAST_GAP = 10.0
"""Ratio of neighbouring singular values that both gradients need; those inside the signal and
inside rounding are below 6."""


def common_rank(pair: LayerPair) -> int | None:
    """Return the last place at which both gradients fall to rounding by `LEAST_GAP`; None without.

    Args:
        pair: of which neither gradient is zero.
    """
    gaps = [_gaps(each) for each in (pair.first.weight_gradient, pair.next_weight_gradient)]
    common = gaps[0] & gaps[1]
    return max(common, default=None)


def _gaps(gradient: Tensor) -> set[int]:
    """Numbers of singular values behind which there is a gap, and then rounding alone."""
    active = gradient[gradient.ne(0).any(dim=1)]
    if not len(active):
        return set()
    precision = torch.finfo(gradient.dtype).eps
    wide = widened_if_small(active)
    floor = rounding_floor(wide, gradient.dtype)
    values = left_spectrum(wide, floor)[1].clamp(min=floor)
    falls = values[:-1] >= LEAST_GAP * values[1:]
    rounding = ABOVE_ROUNDING * floor * max(1.0, FLOAT32 / precision)
    return {int(i) + 1 for i in torch.nonzero(falls & (values[1:] <= rounding)).flatten()}
