"""The client: it trains on a private batch and shares nothing but an update."""

import torch
from torch import nn

from spear.client.defenses import Compression, Defense, NoDefense
from spear.client.local_training import LocalTraining, SingleGradient
from spear.data.base import Batch
from spear.domain import Domain
from spear.errors import ConfigError
from spear.update import Update


class Client:
    """A federated client: the server's network, and its own loss, local training and defense.

    Args:
        network: any module; an attack checks that it has what the attack needs.
        fedavg: local training, which makes an update of gradients; `SingleGradient()`, which shares
            one gradient, unless given.
        defense: way to compute and disguise a gradient; `NoDefense()` unless given.
        loss: maps (outputs, labels) to a scalar; the mean cross-entropy unless given.
        domain: shape and range of the network's inputs (`Dataset.domain`); the shape of the batch's
            inputs, without bounds, unless given.
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
            generator: source of the client's randomness (mini-batches, noise), on the CPU; the
                global one unless given.

        Raises:
            ConfigError: `batch` is of another type.
        """
        if not isinstance(batch, Batch):
            raise ConfigError(
                f"batch is a {type(batch).__name__}; expected a spear.Batch, as "
                "spear.Batch(inputs, labels) makes it."
            )
        gradients = self.fedavg.update(self.network, self.loss, self.defense, batch, generator)
        if isinstance(self.defense, Compression):
            gradients = self.defense.compress(gradients, generator)
        domain = self.domain or Domain.unbounded(tuple(batch.inputs.shape[1:]))
        return Update(self.network, gradients, self.loss, domain)
