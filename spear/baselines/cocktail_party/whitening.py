"""Mixtures of the batch's inputs as independent component analysis needs them: uncorrelated."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.factors.factorization import Decomposition

SMALLEST = 1e-12
"""Least variance as a share of the largest."""


@dataclass(frozen=True)
class Whitened:
    """b mixtures of the batch's inputs, with covariance 1 over their n entries.

    Attributes:
        mixtures: X_w (b x n), each row of mean 0 and variance 1.
        means: what was subtracted from each row (b).
        coordinates: C (b x b) with X_w + means = C R in the decomposition dL/dW = L R.
    """

    mixtures: Tensor
    means: Tensor
    coordinates: Tensor


def whiten(problem: Decomposition) -> Whitened:
    """The b largest principal components of the gradient's rows, each row less its mean.

    The columns of L are orthogonal and of one length, so these are also the components of R: the
    m x m covariance of the gradient is never formed.

    Args:
        problem: a gradient of rank b in float64.
    """
    means = problem.right.mean(dim=1, keepdim=True)
    centred = problem.right - means
    variances, vectors = torch.linalg.eigh(centred @ centred.T / (centred.shape[1] - 1))
    # Inputs whose mixture is constant over all entries have no variance to divide by.
    floor = SMALLEST * variances[-1]
    coordinates = vectors.T / variances.clamp_min(floor).sqrt()[:, None]
    return Whitened(coordinates @ centred, (coordinates @ means)[:, 0], coordinates)
