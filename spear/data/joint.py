"""Private batches of several clients, as one batch that remembers whose each example is."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.data.base import Batch
from spear.errors import ConfigError


@dataclass(frozen=True)
class JointBatch(Batch):
    """Private batches of several clients, one after the other.

    Attributes:
        owners: number of the client to which each example belongs (b, int64), counted from 0.
    """

    owners: Tensor

    @classmethod
    def of(cls, batches: Mapping[int, Batch]) -> "JointBatch":
        """Return the batch of several clients' batches, in the order given.

        Args:
            batches: number of each client -> its batch.

        Raises:
            ConfigError: there is no batch.
        """
        if not batches:
            raise ConfigError("batches is empty; expected the batch of at least one client.")
        sizes = torch.tensor([len(each.labels) for each in batches.values()])
        return cls(
            torch.cat([each.inputs for each in batches.values()]),
            torch.cat([each.labels for each in batches.values()]),
            torch.tensor([*batches]).repeat_interleave(sizes),
        )

    def of_clients(self) -> dict[int, Batch]:
        """Return the batch of each client by its number, in ascending order."""
        masks = {int(each): self.owners == each for each in torch.unique(self.owners)}
        return {each: Batch(self.inputs[m], self.labels[m]) for each, m in masks.items()}

    def to(self, device: torch.device | str) -> "JointBatch":
        """Return the same batches on another device."""
        return JointBatch(self.inputs.to(device), self.labels.to(device), self.owners.to(device))
