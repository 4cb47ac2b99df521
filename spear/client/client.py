"""The client: trains on a private batch and shares an update. Nothing else leaves it."""

import torch
from torch import nn

from spear.client.defenses import Defense, NoDefense
from spear.client.local_training import LocalTraining, SingleGradient
from spear.data.base import Batch
from spear.domain import Domain
from spear.update import Update


class Client:
    """A federated client: its network (the server's), loss, local training and defense.

    Args:
        network: any module; attacks say what they need in it.
        loss: maps (outputs, labels) to a scalar; the mean cross-entropy by default.
        fedavg: how many local steps lead to the update (`spear.client.local_training`).
        defense: how each gradient is computed and disguised (`spear.client.defenses`).
        domain: of the network's inputs (`Dataset.domain`); the batch's shape without bounds unless
            given.
    """

    def __init__(
        self,
        network: nn.Module,
        fedavg: LocalTraining | None = None,
        defense: Defense | None = None,
        loss: nn.Module | None = None,
        domain: Domain | None = None,
    ) -> None:
        self.network = network
        self.loss = loss or nn.CrossEntropyLoss()
        self.fedavg = fedavg or SingleGradient()
        self.defense = defense or NoDefense()
        self.domain = domain

    def share(self, batch: Batch, generator: torch.Generator | None = None) -> Update:
        """Compute the update for one private batch.

        Args:
            batch: on the network's device.
            generator: of the client's own randomness (mini-batches, noise).
        """
        gradients = self.fedavg.update(self.network, self.loss, self.defense, batch, generator)
        domain = self.domain or Domain.unbounded(tuple(batch.inputs.shape[1:]))
        return Update(self.network, gradients, self.loss, domain)
