"""FixScale: the lengths of the columns of Q from the bias gradient (Theorem 3.5)."""

import torch
from torch import Tensor

from spear.inversion.factors.factorization import Factorization

SMALLEST = 1e-12
"""Least length of a column of Q as a share of the longest."""

INDEPENDENT = 1e-10
"""Least singular value of independent unit columns."""


def fix_scale(problem: Factorization, directions: Tensor) -> Tensor:
    """The disaggregation matrix Q = Qbar diag(c) with c = Qbar^-1 L^+ dL/db (Theorem 3.5).

    Args:
        problem: the factorised observation.
        directions: Qbar, b independent columns of any length (b x b).

    Returns:
        Q (b x b), with Q 1 = L^+ dL/db, except for columns of length zero, which get a tiny length:
        Q can always be inverted.
    """
    scales = torch.linalg.solve(directions, problem.bias_coordinates)
    least = SMALLEST * scales.abs().max()
    return directions * torch.where(scales.abs() < least, least, scales)[None, :]


def is_regular(directions: Tensor) -> bool:
    """Return whether unit columns (b x b) are independent beyond rounding errors."""
    return bool(torch.linalg.svdvals(directions)[-1] > INDEPENDENT)
