"""Rounds of training: the same batches again while the global model moves."""

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import nn

from spear.client.aggregation import Aggregation
from spear.client.client import Client
from spear.client.mean import check_participation, taking_part
from spear.data.base import Batch
from spear.data.joint import JointBatch
from spear.settings import check_above_zero, check_least
from spear.update import Update


class Rounds:
    """Rounds of federated training, of which the server sees one update each.

    After each round the server moves the global model, W <- W - eta u, with u the aggregate. The
    clients repeat their batches. In each round a share of them takes part, drawn anew.

    Args:
        aggregation: what the server sees of a round.
        rounds: number of rounds, at least 1.
        learning_rate: eta, above 0; that of the clients' local steps makes it FedAvg.
        participation: share of the clients that takes part in a round, in (0, 1].

    Raises:
        ConfigError: an argument is out of range.
    """

    def __init__(
        self,
        aggregation: Aggregation,
        rounds: int,
        learning_rate: float,
        participation: float = 1.0,
    ) -> None:
        check_least(1, rounds=rounds)
        check_above_zero(learning_rate=learning_rate)
        check_participation(participation)
        self.aggregation = aggregation
        self.rounds = rounds
        self.learning_rate = learning_rate
        self.participation = participation

    def share(
        self, client: Client, batch: Batch, generator: torch.Generator | None = None
    ) -> Iterator[Update]:
        """Yield the update of each round, with the network as it was when the round began.

        Args:
            client: all clients are like this one; its network is the model of the first round, and
                is not changed.
            batch: private examples of all clients, on the network's device.
            generator: source of all randomness, on the CPU; the global one if None.
        """
        network = client.network
        for _ in range(self.rounds):
            present = self._present(batch, generator)
            local = Client(network, client.fedavg, client.defense, client.loss, client.domain)
            update = self.aggregation.share(local, present, generator)
            yield update
            network = self._moved(network, update)

    def _present(self, batch: Batch, generator: torch.Generator | None) -> Batch:
        """Batch of the clients that take part in a round."""
        if not isinstance(batch, JointBatch) or self.participation == 1:
            return batch
        own = batch.of_clients()
        numbers = [*own]
        order = torch.randperm(len(numbers), generator=generator).tolist()
        chosen = sorted(order[: taking_part(len(numbers), self.participation)])
        return JointBatch.of({numbers[i]: own[numbers[i]] for i in chosen})

    def _moved(self, network: nn.Module, update: Update) -> nn.Module:
        moved = deepcopy(network)
        with torch.no_grad():
            for name, parameter in moved.named_parameters():
                if name in update.gradients:
                    parameter.sub_(self.learning_rate * update.gradients[name])
        return moved
