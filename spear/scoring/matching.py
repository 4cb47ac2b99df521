"""Assignment of reconstructions, whose order is arbitrary, to the inputs that they belong to."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import normalize

_FAR = 1e3
"""Distances beyond this many times the longest true row all count as equally far."""


def match(reconstructed: Tensor, true: Tensor) -> Tensor:
    """Match reconstructed to true rows with the least sum of squared errors.

    A row that is not finite is no reconstruction and is matched to no true row.

    Args:
        reconstructed: b' x n; b' may be smaller than b (if the attack found too few) or larger.
        true: b x n.

    Returns:
        b indices (int64, on the CPU): for each true row its reconstructed row, or -1 if none is
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


def match_tokens(reconstructed: Tensor, true: Tensor) -> Tensor:
    """Match sequences of tokens so that the fewest tokens differ.

    Args:
        reconstructed: b' x T, of any type; b' may be smaller than b or larger.
        true: b x T.

    Returns:
        b indices as of `match`.
    """
    wrong = (true.cpu()[:, None] != reconstructed.cpu()[None]).sum(dim=2)
    matched_true, matched_rows = linear_sum_assignment(wrong.numpy())
    order = torch.full((len(true),), -1, dtype=torch.int64)
    order[torch.from_numpy(matched_true)] = torch.from_numpy(matched_rows)
    return order


def similarities(reconstructed: Tensor, true: Tensor) -> Tensor:
    """Return |cos| of each true row to its reconstruction, whatever its sign and scale (b).

    Rows are matched so that the sum of |cos| is greatest (the Hungarian method; the code of the
    Cocktail Party Attack matches greedily). |cos| is 0 for a true row that is zero or left over,
    and for one matched to a reconstructed row that is zero or not finite.

    Args:
        reconstructed: b' x n; b' may be smaller or larger than b.
        true: b x n.
    """
    targets, rows = _unit(true), _unit(reconstructed)
    cosines = (targets @ rows.T).abs()
    matched_true, matched_rows = linear_sum_assignment(cosines.numpy(), maximize=True)
    found = targets.new_zeros(len(targets))
    # Row by row again: a matrix product rounds differently in another order.
    products = (targets[matched_true] * rows[matched_rows]).sum(dim=1)
    found[torch.from_numpy(matched_true)] = products.abs().clamp_max(1.0)
    return found


def _unit(rows: Tensor) -> Tensor:
    """Return rows of length 1 in float64 on the CPU, or 0 if they are 0 or not finite."""
    rows = rows.cpu().double()
    rows = torch.where(rows.isfinite().all(dim=1, keepdim=True), rows, 0.0)
    largest = torch.linalg.vector_norm(rows, torch.inf, dim=1, keepdim=True)
    return normalize(rows / torch.where(largest > 0, largest, 1.0))
