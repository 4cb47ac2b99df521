"""ComputeLambda: does the reconstructed batch activate just the neurons the gradient says?"""

import torch
from torch import Tensor

from spear.inversion.factorization import Factorization
from spear.inversion.zeros import zero_pattern


def pre_activations(problem: Factorization, disaggregation: Tensor) -> Tensor:
    """Z = W X + bias of the reconstruction X^T = Q^-1 R (m x b)."""
    scattered = torch.linalg.solve(disaggregation.T, problem.projected_weight, left=False)
    return scattered + problem.bias[:, None]


def full_zero_pattern(problem: Factorization, directions: Tensor) -> Tensor:
    """Zeros of dL/dZ on all m rows; inactive neurons have a zero gradient for every sample."""
    pattern = problem.active.new_ones(problem.m, directions.shape[1])
    pattern[problem.active] = zero_pattern(problem, directions)
    return pattern


def matches(pre_activation: Tensor, zeros: Tensor) -> Tensor:
    """Entries where Z and dL/dZ agree: non-positive and zero, or positive and not zero."""
    return (pre_activation > 0) != zeros


def sparsity_matching(problem: Factorization, disaggregation: Tensor) -> float:
    """The sparsity-matching coefficient lambda of Definition 4.1 (Algorithm 2).

    Returns:
        The share in [0, 1] of the m b entries in which the ReLU pattern of the reconstructed inputs
        agrees with the zeros of the reconstructed dL/dZ; 1 for the true Q.
    """
    directions = disaggregation / torch.linalg.vector_norm(disaggregation, dim=0)
    agreement = matches(
        pre_activations(problem, disaggregation), full_zero_pattern(problem, directions)
    )
    return float(agreement.to(torch.float64).mean())
