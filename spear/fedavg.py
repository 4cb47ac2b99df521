"""Local training: how a client's gradients become the update it shares."""

from typing import Protocol

import torch
from torch import Tensor, nn

from spear.datasets.base import Batch
from spear.defenses import Defense


class LocalTraining(Protocol):
    """Turns a private batch into the update that the server sees.

    A new protocol implements `update` and gets one file in `conf/fedavg/`.
    """

    def update(
        self,
        network: nn.Module,
        loss: nn.Module,
        defense: Defense,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Parameter name -> update, in the scale of a gradient; leaves `network` as it was."""
        ...


class SingleGradient:
    """FedSGD: the client shares one gradient of its whole batch (Sec. 2)."""

    def update(
        self,
        network: nn.Module,
        loss: nn.Module,
        defense: Defense,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """The (defended) gradient itself."""
        return defense.gradient(network, loss, batch, generator)
