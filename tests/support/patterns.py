"""Layers whose neurons fire for chosen inputs, and updates with such a pattern."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.observation import Observation


@dataclass(frozen=True)
class Patterned:
    """An update with a chosen pattern, and what is behind it.

    Attributes:
        observation: W, bias and the gradients of both.
        inputs: b x n.
        gradients: dL/dZ (m x b), zero where the pattern is.
    """

    observation: Observation
    inputs: Tensor
    gradients: Tensor


def layer_of_pattern(
    active: Tensor, inputs: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Weight (m x n) and bias (m) of a layer with W x + bias > 0 where `active` (m x b) says so.

    They solve W X + bias = Z for pre-activations of these signs, 0.1 to 1.1 away from zero.
    """
    sizes = 0.1 + torch.rand(active.shape, generator=generator, dtype=torch.float64)
    wanted = torch.where(active, sizes, -sizes)
    augmented = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], dim=1)
    parameters = torch.linalg.lstsq(augmented, wanted.T).solution.T
    return parameters[:, :-1], parameters[:, -1]


def update_of_pattern(
    active: Tensor, n: int, dtype: torch.dtype = torch.float64, equal: bool = False
) -> Patterned:
    """The update of b normal inputs (b x n) with this pattern (m x b).

    The gradients of its active entries are normal, or equal for all inputs of a neuron.
    """
    generator = torch.Generator().manual_seed(0)
    m, b = active.shape
    inputs = torch.randn(b, n, generator=generator, dtype=torch.float64)
    weight, bias = layer_of_pattern(active, inputs, generator)
    shape = (m, 1) if equal else (m, b)
    gradients = active * torch.randn(shape, generator=generator, dtype=torch.float64)
    parts = weight, bias, gradients @ inputs, gradients.sum(dim=1)
    return Patterned(Observation(*(part.to(dtype) for part in parts)), inputs, gradients)
