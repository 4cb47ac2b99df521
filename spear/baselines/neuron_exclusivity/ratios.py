"""Ratios of a layer's gradients, and the inputs among them."""

from collections.abc import Callable

import torch
from torch import Tensor

from spear.observation import Observation

LIVE = 1e-6
"""Least |dL/dbias| of a neuron, as a share of the largest, by which its weights' are divided."""


def ratios(observation: Observation, live: float = LIVE) -> tuple[Tensor, Tensor]:
    """Return dL/dW_j / dL/dbias_j of the neurons j that some input activates.

    dL/dW_j is sum_i d_ji x_i and dL/dbias_j is sum_i d_ji, over the inputs that activate neuron j.
    If there is one, the ratio is this input.

    Args:
        observation: of the layer.
        live: least |dL/dbias_j|, as a share of the largest.

    Returns:
        The ratios (k x n) in float64, and the neurons that they are of (k).
    """
    bias = observation.bias_gradient.to(torch.float64)
    sizes = bias.abs()
    neurons = ((sizes > 0) & (sizes >= live * sizes.max())).nonzero().flatten()
    rows = observation.weight_gradient[neurons].to(torch.float64) / bias[neurons, None]
    finite = rows.isfinite().all(dim=1)
    return rows[finite], neurons[finite]


def exclusive_inputs(
    observation: Observation,
    agreeing: int = 2,
    tolerance: float = 1e-4,
    over: Callable[[], bool] = lambda: False,
) -> Tensor:
    """Return the ratios on which several neurons agree, each of them once.

    Args:
        observation: of the layer.
        agreeing: least number of neurons with the same ratio.
        tolerance: distance, as a share of the longer one's length, up to which two are the same.
        over: whether to stop with the inputs so far.

    Returns:
        The mean of each group (k x n), float64, the largest group first.
    """
    rows, neurons = ratios(observation)
    z = (rows * observation.weight[neurons]).sum(dim=1) + observation.bias[neurons]
    rows = rows[z > 0]  # the neuron that gives an input away is one that it activates
    squares = rows.square().sum(dim=1)
    distances = (squares[:, None] + squares - 2 * rows @ rows.T).clamp(min=0.0)
    same = distances <= tolerance**2 * torch.maximum(squares[:, None], squares)
    same.fill_diagonal_(True)
    found = []
    while bool((same.sum(dim=1) >= agreeing).any()) and not over():
        group = same[int(same.sum(dim=1).argmax())].clone()
        found.append(rows[group].mean(dim=0))
        same[group] = False
        same[:, group] = False
    return torch.stack(found) if found else rows[:0]
