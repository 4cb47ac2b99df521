"""The lengths of inputs: what beside the bias gradient would show another scale of them.

s . p = 1 takes every length from dL/dbias. If the layer's biases are all zero, W x and W (t x) have
the same signs, and an update whose bias gradient is multiplied by 1 / t is that of the inputs t x:
a client that trains its biases at a rate of their own shares such an update.
"""

import torch
from torch import Tensor

from spear.inversion.directions.sparsity_matching import activity, agreement
from spear.inversion.factors.factorization import Factorization

OTHERS = (0.5, 2.0)
"""Scales of the inputs that must show."""


def scale_shows(problem: Factorization, disaggregation: Tensor) -> bool:
    """Tell whether inputs of half or twice the length contradict the ReLU pattern.

    Args:
        problem: the factorised observation.
        disaggregation: Q of an exact solution (b x b).
    """
    rows = torch.linalg.inv(disaggregation)
    signs = activity(problem, disaggregation / torch.linalg.vector_norm(disaggregation, dim=0))
    return not any(bool(agreement(problem, scale * rows, signs).all()) for scale in OTHERS)
