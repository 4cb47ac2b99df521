"""FixScale: the lengths of the columns of Q from the bias gradient (Theorem 3.5)."""

import torch
from torch import Tensor

from spear.inversion.factorization import Factorization


def fix_scale(problem: Factorization, directions: Tensor) -> Tensor:
    """The disaggregation matrix Q = Qbar diag(c) with c = Qbar^-1 L^+ dL/db (Theorem 3.5).

    Args:
        problem: the factorised observation.
        directions: Qbar, b independent columns of any length (b x b).

    Returns:
        Q (b x b), with Q 1 = L^+ dL/db.
    """
    return directions * torch.linalg.solve(directions, problem.bias_coordinates)[None, :]
