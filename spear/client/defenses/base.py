"""Interface of every defense, and the choice of none."""

from typing import Protocol

import torch
from torch import Tensor, nn

from spear.data.base import Batch


class Defense(Protocol):
    """Interface of a defense, which computes a gradient of the loss on a batch, disguised or not.

    A new defense implements `gradient` and gets one file in `conf/defense/`.
    """

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Return the gradient of each trained parameter: name -> tensor shaped like the parameter.

        Args:
            network: the client's, with its present parameters. It is not changed.
            loss: maps (outputs, labels) to a scalar.
            batch: private inputs and labels.
            generator: source of the noise, on the CPU; the global one if None.
        """
        ...


class NoDefense:
    """No defense: the plain gradient of the loss."""

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Return dL/dtheta of each trained parameter, in the network's own precision."""
        parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        value = loss(network(batch.inputs), batch.labels)
        gradients = torch.autograd.grad(value, list(parameters.values()))
        return dict(zip(parameters, gradients, strict=True))
