"""The client: trains on a private batch and shares an update. Nothing else leaves it."""

import torch
from torch import nn

from spear.client.defenses import Defense, NoDefense
from spear.client.local_training import LocalTraining, SingleGradient
from spear.data.base import Batch
from spear.domain import Domain
from spear.layers import linear_layers, numbered
from spear.probing import probe
from spear.scoring.truth import Truth
from spear.update import Update
from spear.validation import all_finite


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

    def truth(self, batch: Batch, layer: int | None, update: Update | None = None) -> Truth:
        """What the attack on `layer` should find: that layer's inputs and dL/dZ, for scoring only.

        Args:
            batch: the private batch.
            layer: the attacked linear layer, counted from 1; None for the network's own inputs,
                which have no dL/dZ (m = 0).
            update: what was shared of it, to learn which dL/dZ that shows where a defense or
                further local steps have changed it.
        """
        if layer is None:
            inputs = batch.inputs.flatten(1)
            return Truth(inputs, inputs.new_zeros(0, len(inputs)), batch.labels)
        layers = update.layers if update else linear_layers(self.network, batch.inputs[:2])
        attacked = numbered(layers, layer)
        with probe({attacked.name: attacked.module}) as calls:
            loss = self.loss(self.network(batch.inputs), batch.labels)
        last = calls[-1]
        (gradient,) = torch.autograd.grad(loss, last.output)
        shared = update.gradients.get(f"{attacked.name}.weight") if update else None
        if shared is not None and not all_finite(shared):
            shared = None
        return Truth(last.inputs.detach(), gradient.T.contiguous(), batch.labels, shared)
