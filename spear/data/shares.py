"""Shares of a data set, one for each client, without an example in common."""

from collections.abc import Sequence

import torch
from torch import Tensor

from spear.data.base import Batch, Dataset
from spear.domain import Domain
from spear.errors import DatasetError


class Share(Dataset):
    """Some examples of a data set, as the data set of one client.

    Args:
        whole: the data set.
        indices: numbers of the client's examples there.
        owner: number of the client, for messages.
        clients: number of all clients, for messages.
    """

    def __init__(self, whole: Dataset, indices: Sequence[int], owner: int, clients: int) -> None:
        self.name = f"{whole.name}, client {owner}"
        self.input_shape, self.n_classes = whole.input_shape, whole.n_classes
        self.is_image = whole.is_image
        self._whole, self._indices, self._clients = whole, indices, clients

    @property
    def domain(self) -> Domain:
        """Implement `Dataset`: that of the whole."""
        return self._whole.domain

    def __len__(self) -> int:
        return len(self._indices)

    def batch(self, size: int, generator: torch.Generator) -> Batch:
        """Implement `Dataset`.

        Raises:
            DatasetError: there are too many clients for batches of this size.
        """
        if size > len(self):
            whole = len(self._whole)
            most = (
                f"at most {whole // size} clients, or a batch of at most {whole // self._clients}"
                if whole // self._clients
                else f"at most {whole // size} clients"
            )
            raise DatasetError(
                f"clients is {self._clients}, who share the {whole} examples of data set "
                f"{self._whole.name!r}, so that one has {len(self)} and cannot give a batch of "
                f"{size}; choose {most}."
            )
        return super().batch(size, generator)

    def example(self, index: int) -> tuple[Tensor, int]:
        """Implement `Dataset`."""
        return self._whole.example(self._indices[index])

    def labels(self) -> Tensor:
        """Implement `Dataset`."""
        return self._whole.labels()[list(self._indices)]

    def collected(self, indices: Sequence[int]) -> Batch:
        """Implement `Dataset`."""
        return self._whole.collected([self._indices[each] for each in indices])

    def normalized(self, inputs: Tensor) -> Tensor:
        """Implement `Dataset`."""
        return self._whole.normalized(inputs)

    def denormalized(self, inputs: Tensor) -> Tensor:
        """Implement `Dataset`."""
        return self._whole.denormalized(inputs)


def shares(dataset: Dataset, clients: int, generator: torch.Generator) -> list[Share]:
    """Return a random partition of a data set among clients, of sizes that differ by 1 at most.

    Args:
        dataset: what is shared out.
        clients: number of shares, at least 1.
        generator: source of the randomness, on the CPU.
    """
    order = torch.randperm(len(dataset), generator=generator)
    parts = order.tensor_split(clients)
    return [Share(dataset, part.tolist(), owner, clients) for owner, part in enumerate(parts)]
