"""Terms that tell independent sources from mixtures (Kariyappa et al., ICML 2023, Section 4)."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

GAUSSIAN_LOG_COSH = 0.374567
"""Mean of log cosh of a standard normal number."""


def negentropy(sources: Tensor) -> Tensor:
    """Distance of each row of `sources` (b x n, unit variance) from a normal distribution (b).

    (mean log cosh s - that of a normal distribution)^2, Hyvarinen's approximation of negentropy up
    to a factor ("Independent component analysis: algorithms and applications", 2000).
    """
    magnitudes = sources.abs()
    log_cosh = magnitudes + softplus(-2.0 * magnitudes) - math.log(2.0)
    return (log_cosh.mean(dim=1) - GAUSSIAN_LOG_COSH).square()


def dependence(rows: Tensor, sharpness: float) -> Tensor:
    """Mean of exp(T |cos|) - 1 over pairs of different rows (b x b, of length 1); 0 for one row."""
    b = len(rows)
    if b == 1:
        return rows.new_zeros(())
    first, second = torch.triu_indices(b, b, offset=1, device=rows.device)
    cosines = (rows @ rows.T)[first, second]
    return torch.expm1(sharpness * cosines.abs()).mean()


def mixed_signs(sources: Tensor) -> Tensor:
    """Mean over rows (b x n) of the length of their positive or their negative part.

    The shorter of the two counts: 0 for rows that have one sign throughout, positive or negative.
    """
    positive = torch.linalg.vector_norm(sources.relu(), dim=1)
    negative = torch.linalg.vector_norm((-sources).relu(), dim=1)
    return torch.minimum(positive, negative).mean()
