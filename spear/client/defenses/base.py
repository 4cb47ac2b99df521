"""The interface of every defense, and the client that has none."""

from typing import Protocol

import torch
from torch import Tensor, nn

from spear.data.base import Batch


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
        """Name of each parameter that is trained -> gradient; leaves `network` as it was."""
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
        """dL/dtheta for every parameter that is trained, in the network's own precision."""
        parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        value = loss(network(batch.inputs), batch.labels)
        gradients = torch.autograd.grad(value, list(parameters.values()))
        return dict(zip(parameters, gradients, strict=True))
