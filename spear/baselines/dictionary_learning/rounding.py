"""Rounding: from a direction near a sparse one to the sparse one itself."""

from collections.abc import Callable

import torch
from torch import Tensor

from spear.inversion.factors.gram import TRUE_KERNEL, Grams, inverse_iteration, unit

SMOOTHINGS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 1e-4)
"""Entries of L q below which the l1 norm is taken for a square; falls from step to step."""

AT_ONCE = 64
"""Gram matrices (b x b each) that are held at a time."""


def never() -> bool:
    """Return False: there is no limit."""
    return False


def rounded(samples: Tensor, directions: Tensor, over: Callable[[], bool] = never) -> Tensor:
    """Return the minimisers of |Y^T q|_1 subject to r . q = 1, for the directions r.

    Sun, Qu and Wright round by this linear program. Here it is solved by iteratively reweighted
    least squares, whose steps are q = H^-1 r with H = sum_j y_j y_j^T / max(|y_j . q|, e).

    Args:
        samples: Y^T, preconditioned, one a row (m x b).
        directions: r, unit rows (k x b).
        over: whether to stop; the first directions are rounded in any case.

    Returns:
        Unit rows (k x b), fewer if it stopped.
    """
    grams = Grams(samples)
    found = directions[:0]
    for some in torch.split(directions, AT_ONCE):
        found = torch.cat([found, _rounded(samples, grams, some)])
        if over():
            break
    return found


def _rounded(samples: Tensor, grams: Grams, directions: Tensor) -> Tensor:
    found = directions
    for smoothing in SMOOTHINGS:
        for _ in range(3):
            weights = (found @ samples.T).abs().clamp(min=smoothing).reciprocal()
            found = unit(inverse_iteration(grams(weights), directions, TRUE_KERNEL))
    return found
