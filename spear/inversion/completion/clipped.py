"""Exact inversion of the first layer's gradient, clipped by value."""

import torch
from torch import Tensor

from spear.inversion.completion.attack import SpearPruned, explained
from spear.inversion.completion.completed import ROUNDINGS, Completed
from spear.reconstruction import Reconstruction


class SpearClipped(SpearPruned):
    """Completes a gradient whose largest entries were clipped to a limit, then inverts it.

    The limit is the largest magnitude, if several entries have it. Entries at the limit are taken
    for removed, all others are exact. They determine the gradient as those left by pruning do
    (`SpearPruned`, whose settings and details it has).

    `exact` takes a result that is at the limit or beyond at each clipped entry, with the same sign,
    and 0 at each entry that is 0; of entries that are not, `untold` has the number.
    """

    def _left(self, gradient: Tensor) -> Tensor:
        return gradient.masked_fill(clipped(gradient), 0.0)

    def _against(self, found: Reconstruction, completed: Completed, gradient: Tensor) -> int:
        if not len(found.inputs):
            return 0
        shared = gradient.double()[completed.rows]
        product = explained(found)
        limit = float(shared.abs().max())
        tolerance = ROUNDINGS * torch.finfo(gradient.dtype).eps * limit
        at = clipped(gradient)[completed.rows]
        short = at & (product * shared.sign() < limit - tolerance)
        known = completed.columns[None, :] & (shared == 0)
        return int(short.sum()) + int((known & (product.abs() > tolerance)).sum())


def clipped(gradient: Tensor) -> Tensor:
    """Return which entries are at the limit: those of the largest magnitude, if several are."""
    magnitudes = gradient.abs()
    largest = magnitudes == magnitudes.max()
    return largest & (largest.sum() > 1)
