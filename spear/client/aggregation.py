"""Aggregation: a round of clients, and the one update of it that the server sees."""

from collections.abc import Callable
from typing import Protocol

import torch

from spear.client.client import Client
from spear.data.base import Batch, Dataset
from spear.update import Update

DrawOne = Callable[[Dataset], Batch]
"""Draws the private batch of one client from its data set."""


class Aggregation(Protocol):
    """Interface of a round: who takes part with which batches, and what the server sees of it.

    A new one is a class with these members, and one file in `conf/aggregation/`.
    """

    @property
    def clients(self) -> int:
        """Return the number of clients that take part in a round."""
        ...

    def draw(self, one: DrawOne, dataset: Dataset, generator: torch.Generator) -> Batch:
        """Return the private examples of a round: a `JointBatch` if there are several clients.

        Args:
            one: draws a client's batch from a data set.
            dataset: the data of all clients.
            generator: source of all randomness besides, on the CPU.

        Raises:
            DatasetError: a client has too few examples for its batch.
        """
        ...

    def share(self, client: Client, batch: Batch, generator: torch.Generator | None) -> Update:
        """Return the update that the server sees.

        Args:
            client: all clients are like this one: they have the same network, local training and
                defense, which each applies to its own batch.
            batch: as `draw` returns it, on the network's device.
            generator: source of the clients' randomness, on the CPU; the global one if None.
        """
        ...


class SingleClient:
    """Round of one client, whose own update the server sees."""

    clients = 1

    def draw(self, one: DrawOne, dataset: Dataset, generator: torch.Generator) -> Batch:
        """Implement `Aggregation`: one batch of the whole data set."""
        return one(dataset)

    def share(self, client: Client, batch: Batch, generator: torch.Generator | None) -> Update:
        """Implement `Aggregation` by `Client.share`."""
        return client.share(batch, generator)
