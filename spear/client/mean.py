"""Mean of several clients' updates, which is all that the server sees of a round."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from spear.client.aggregation import DrawOne
from spear.client.client import Client
from spear.data.base import Batch, Dataset
from spear.data.joint import JointBatch
from spear.data.shares import shares
from spear.errors import ConfigError
from spear.settings import check_least
from spear.update import Update


class SeveralClients(ABC):
    """Base of the aggregates of several clients' updates.

    The data set is shared out among K clients at random, anew for each round. Then k of them are
    drawn, all equally likely, and each draws its batch from its share, so that no two clients have
    an example in common. Each trains and defends by itself. The server learns k and the aggregate,
    but not which clients took part.

    Args:
        clients: K, at least 1.
        participation: share of the clients that take part, in (0, 1]; k is K times this, rounded,
            and at least 1.
        examples: n_i, the number of examples of each client that takes part, by ascending number
            of the client: it keeps the first n_i of its batch. All of the batch unless given.

    Raises:
        ConfigError: K < 1, the participation is not in (0, 1], or the examples are not k numbers,
            1 or more each.
    """

    def __init__(
        self, clients: int, participation: float = 1.0, examples: Sequence[int] | None = None
    ) -> None:
        check_least(1, clients=clients)
        check_participation(participation)
        self.population = clients
        self.clients = taking_part(clients, participation)
        self.examples = examples
        if examples is not None:
            check_examples(examples, self.clients)

    def draw(self, one: DrawOne, dataset: Dataset, generator: torch.Generator) -> JointBatch:
        """Implement `Aggregation`.

        Raises:
            DatasetError: a client's share has too few examples for its batch.
            ConfigError: a client shall keep more examples than its batch has.
        """
        parts = shares(dataset, self.population, generator)
        drawn = torch.randperm(self.population, generator=generator)[: self.clients]
        batches = {each: one(parts[each]) for each in sorted(drawn.tolist())}
        if self.examples is not None:
            sizes = zip(batches.items(), self.examples, strict=True)
            batches = {owner: _first(batch, size) for (owner, batch), size in sizes}
        return JointBatch.of(batches)

    def share(self, client: Client, batch: Batch, generator: torch.Generator | None) -> Update:
        """Implement `Aggregation`: clients compute one after the other, in ascending order.

        Raises:
            ConfigError: the batch does not say whose its examples are.
        """
        if not isinstance(batch, JointBatch):
            raise ConfigError(
                f"batch is a {type(batch).__name__}, which does not say whose its examples are; "
                "expected a JointBatch, as JointBatch.of({0: batch, 1: another}) makes it."
            )
        own = batch.of_clients().values()
        updates = [client.share(each, generator) for each in own]
        sizes = [len(each.labels) for each in own]
        names = updates[0].gradients
        aggregated = {
            name: self.aggregate([each.gradients[name] for each in updates], sizes, generator)
            for name in names
        }
        return replace(updates[0], gradients=aggregated)

    @abstractmethod
    def aggregate(
        self, updates: Sequence[Tensor], sizes: Sequence[int], generator: torch.Generator | None
    ) -> Tensor:
        """Return the mean of one parameter's updates, as the server computes it.

        Args:
            updates: u_i, that of each client, in units of a gradient.
            sizes: n_i, the number of examples of each client.
            generator: source of randomness, on the CPU; the global one if None.
        """


class WeightedMean(SeveralClients):
    """FedAvg's mean: the sum of (n_i/n) u_i, with n the number of all examples.

    McMahan et al. ("Communication-efficient learning of deep networks from decentralized data",
    AISTATS 2017). If each client shares one gradient, this is the gradient of one batch that holds
    all examples; after local steps it is a mean of sums, each along its client's own path. Secure
    aggregation in exact numbers shows the server just this: the sum of n_i u_i, and n.

    Args:
        clients, participation, examples: see `SeveralClients`.
    """

    def aggregate(
        self, updates: Sequence[Tensor], sizes: Sequence[int], generator: torch.Generator | None
    ) -> Tensor:
        """Return the mean, computed in float64 and rounded once."""
        return weighted_mean(updates, sizes)


def weighted_mean(updates: Sequence[Tensor], weights: Sequence[int]) -> Tensor:
    """Return the mean of tensors of one shape, computed in float64 and rounded once."""
    pairs = zip(updates, weights, strict=True)
    total = torch.stack([weight * each.double() for each, weight in pairs]).sum(dim=0)
    return (total / sum(weights)).to(updates[0].dtype)


def check_examples(examples: Sequence[int], clients: int) -> None:
    """Refuse numbers of examples that are not those of the clients that take part.

    Raises:
        ConfigError: they are not that many, or one is below 1.
    """
    if len(examples) != clients or not all(each >= 1 for each in examples):
        raise ConfigError(
            f"examples is {list(examples)}; expected the number of examples of each of the "
            f"{clients} clients that take part, at least 1 each."
        )


def _first(batch: Batch, size: int) -> Batch:
    """The first examples of a client's batch."""
    if size > len(batch.labels):
        raise ConfigError(
            f"examples has {size}, but a client's batch has {len(batch.labels)} examples; choose "
            "numbers up to batch_size."
        )
    return Batch(batch.inputs[:size], batch.labels[:size])


def check_participation(participation: float) -> None:
    """Refuse a share of clients out of range.

    Raises:
        ConfigError: it is not in (0, 1].
    """
    if not 0 < participation <= 1:
        raise ConfigError(
            f"participation is {participation}; expected the share of the clients that take part, "
            "above 0 and at most 1."
        )


def taking_part(clients: int, participation: float) -> int:
    """Return how many of the clients take part in a round, at least 1."""
    return max(1, round(participation * clients))
