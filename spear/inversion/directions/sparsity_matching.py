"""ComputeLambda: compare the neurons that the reconstructed batch activates with the gradient."""

import torch
from torch import Tensor

from spear.inversion.factors.factorization import Factorization

ROUNDING = 1e-5
"""Share of a sample's root mean square pre-activation below which its sign is open: the client
computed Z in float32, and the gradient shows the signs that it got."""

DEVIATIONS = 3.0
"""The same in deviations of Z's own error, if the update is noisy."""


def pre_activations(problem: Factorization, rows: Tensor) -> Tensor:
    """Z = W X + bias of the inputs X^T = P R.

    Args:
        problem: the factorised observation.
        rows: P, rows p of Q^-1 or guesses of them (k x b).

    Returns:
        m x k.
    """
    return problem.projected_weight @ rows.T + problem.bias[:, None]


def uncertainty(problem: Factorization, pre_activation: Tensor, lengths: Tensor) -> Tensor:
    """Distance from zero within which an entry of Z may have either sign (m x k).

    Args:
        problem: the factorised observation.
        pre_activation: Z (m x k).
        lengths: |p| of the rows that Z comes from (k).
    """
    size = pre_activation.square().mean(dim=0, keepdim=True).sqrt()
    noise = problem.noise.right * torch.outer(problem.weight_norms, lengths)
    return ROUNDING * size + DEVIATIONS * noise


def activity(problem: Factorization, directions: Tensor) -> Tensor:
    """State of each neuron according to dL/dZ = L q, on all m rows.

    Args:
        problem: the factorised observation.
        directions: unit vectors as columns (b x k).

    Returns:
        m x k, int8: -1 where the gradient is zero (the sample does not activate the neuron; rows
        that no sample activates are -1 throughout), 1 where it is not, 0 where noise leaves it
        open.
    """
    size = (problem.left @ directions).abs()
    size /= problem.noise.deviation(directions)
    signs = torch.full((problem.m, directions.shape[1]), -1, dtype=torch.int8, device=size.device)
    not_zero, zero = size > problem.noise.not_zero, size <= problem.noise.zero
    signs[problem.active] = not_zero.to(torch.int8) - zero.to(torch.int8)
    return signs


def matches(pre_activation: Tensor, uncertainty: Tensor, signs: Tensor) -> Tensor:
    """Entries where Z and dL/dZ agree: non-positive and zero, or positive and not zero.

    Entries that noise leaves open in either count as agreeing: a few true ones in a million are
    that small.
    """
    undecided = pre_activation.abs() <= uncertainty
    return undecided | torch.where(pre_activation > 0, signs >= 0, signs <= 0)


def agreement(problem: Factorization, rows: Tensor, signs: Tensor) -> Tensor:
    """`matches` for rows p (k x b) of Q^-1 and the neurons' states in dL/dZ (m x k)."""
    z = pre_activations(problem, rows)
    lengths = torch.linalg.vector_norm(rows, dim=1)
    return matches(z, uncertainty(problem, z, lengths), signs)


def sparsity_matching(problem: Factorization, disaggregation: Tensor) -> float:
    """The sparsity-matching coefficient lambda of Definition 4.1 (Algorithm 2).

    Returns:
        The share in [0, 1] of the m b entries in which the ReLU pattern of the reconstructed inputs
        agrees with the zeros of the reconstructed dL/dZ; 1 for the true Q.
    """
    directions = disaggregation / torch.linalg.vector_norm(disaggregation, dim=0)
    rows = torch.linalg.inv(disaggregation)
    agreeing = agreement(problem, rows, activity(problem, directions))
    return float(agreeing.to(torch.float64).mean())
