"""Defenses: how a client computes the gradient that it is willing to share."""

from typing import Protocol

import torch
from torch import Tensor, nn

from spear.datasets.base import Batch


class Defense(Protocol):
    """Computes a gradient of the loss on a batch, disguised or not.

    A new defense implements `gradient` and gets one file in `conf/defense/`.
    """

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Parameter name -> gradient; leaves `network` as it was."""
        ...


class NoDefense:
    """The plain gradient of the loss, as every undefended client sends it."""

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """dL/dtheta for every parameter, in the network's own precision."""
        parameters = dict(network.named_parameters())
        value = loss(network(batch.inputs), batch.labels)
        gradients = torch.autograd.grad(value, list(parameters.values()))
        return dict(zip(parameters, gradients, strict=True))
