"""An attack returns the batch in arbitrary order: which reconstruction belongs to which input?"""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

_FAR = 1e3
"""Distances beyond this many times the longest true row all count as equally far."""


def match(reconstructed: Tensor, true: Tensor) -> Tensor:
    """The assignment of reconstructed to true rows with the least sum of squared errors.

    A row that is not finite is no reconstruction and is matched to nothing.

    Args:
        reconstructed: b' x n; b' may be smaller (an attack that found too little) or larger than b.
        true: b x n.

    Returns:
        b indices (int64, on the CPU): for each true row its reconstructed row, or -1 where none is
        left.
    """
    candidates = torch.nonzero(reconstructed.isfinite().all(dim=1)).flatten().cpu()
    rows = reconstructed.cpu().double()[candidates]
    targets = true.cpu().double()
    # Row differences, not |a|^2 + |b|^2 - 2ab, which would cancel for nearly equal rows. `cdist`
    # keeps only b x b' numbers, whatever n is.
    distances = torch.cdist(targets, rows, compute_mode="donot_use_mm_for_euclid_dist")
    # One exploded row must not drown the differences between the others in rounding.
    longest = targets.norm(dim=1).max().clamp_min(1.0) if len(targets) else 1.0
    cost = distances.clamp_max(_FAR * longest).square()
    matched_true, matched_rows = linear_sum_assignment(cost.numpy())
    order = torch.full((len(targets),), -1, dtype=torch.int64)
    order[torch.from_numpy(matched_true)] = candidates[torch.from_numpy(matched_rows)]
    return order
