"""The batch size is the rank of the gradient (Theorem 3.1; Algorithm 1, line 2)."""

import torch
from torch import Tensor

from spear.errors import ConfigError
from spear.inversion.factors.large_matrix import row_norms
from spear.settings import is_number

GAP = 30.0
"""Smallest ratio of neighbouring singular values that separates signal from rounding noise.

Real batches of images put S_b about 1e5 times above S_{b+1} in float32; inside the signal and
inside the noise neighbours differ by factors below 10.
"""


def estimate_rank(singular_values: Tensor, floor: float) -> int | None:
    """Number of singular values above the noise: the position of the last large gap.

    Values below `floor` cannot be told from zero and count as `floor`, so that gaps inside the
    numerical dust do not matter. The *last* gap is taken because the signal itself may have one,
    for instance if one image has a far smaller loss than the others.

    Args:
        singular_values: all min(m, n) of them, descending.
        floor: size that rounding alone gives a singular value that is exactly zero.

    Returns:
        The rank; 0 for a zero matrix; None if there is no gap, that is, if the matrix has full
        rank or its noise reaches its smallest signal.
    """
    if singular_values.numel() == 0 or float(singular_values[0]) == 0.0:
        return 0
    values = singular_values.clamp(min=floor)
    ratios = values[:-1] / values[1:]
    gaps = torch.nonzero(ratios >= GAP).flatten()
    return int(gaps[-1]) + 1 if gaps.numel() else None


def rounding_floor(gradient: Tensor, dtype: torch.dtype | None = None) -> float:
    """Largest singular value expected of the rounding errors in `gradient` (m x n).

    Independent errors of u |G_ij| have a largest singular value of about
    u |G|_F (sqrt m + sqrt n) / sqrt(m n), with u the unit roundoff of the gradient's dtype (but
    not below float64's, in which the decomposition is computed).

    Args:
        gradient: G.
        dtype: its original dtype, if it was converted since.
    """
    m, n = gradient.shape
    precision = torch.finfo(dtype or gradient.dtype).eps
    roundoff = max(precision, torch.finfo(torch.float64).eps) / 2
    norm = float(torch.linalg.vector_norm(row_norms(gradient)))
    return roundoff * norm * (m**0.5 + n**0.5) / (m * n) ** 0.5


def check_rank(rank: int | None) -> None:
    """Refuse an impossible batch size given as a setting.

    Raises:
        ConfigError: it is below 1 or no number; None takes it from the singular values.
    """
    if rank is not None and not (is_number(rank) and rank >= 1):
        raise ConfigError(f"rank is {rank!r}; expected at least 1, or None (null) to estimate it.")
