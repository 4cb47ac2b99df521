"""Interfaces of compressions of an update, by which a client sends fewer bits."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from spear.client.defenses.base import NoDefense


class Compression(NoDefense, ABC):
    """Base of the compressions: the client trains on plain gradients and compresses what it sends.

    After several local steps the sum of their gradients is compressed, once. The memory of error
    feedback, which some protocols add before they compress, is zero in a client's first round.

    A new one implements `compress` and gets one file in `conf/defense/`.
    """

    @abstractmethod
    def compress(
        self, update: dict[str, Tensor], generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        """Return the update as the server decodes it, in its own precision.

        Args:
            update: of each trained parameter, in units of a gradient.
            generator: source of all randomness, on the CPU; the global one if None.
        """


class UnbiasedCompression(Compression):
    """Base of the compressions whose mean is the update itself, so that errors act as noise.

    Entries are disturbed independently of each other. An attack measures the deviation itself, by
    the singular values behind the batch's; `deviation` and `implied` say what it must find.
    """

    def compress(
        self, update: dict[str, Tensor], generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        """Implement `Compression`: one parameter after the other."""
        return {name: self.sent(value, generator) for name, value in update.items()}

    @abstractmethod
    def sent(self, value: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return one parameter's update as the server decodes it.

        Args:
            value: the update.
            generator: source of all randomness, on the CPU; the global one if None.
        """

    @abstractmethod
    def deviation(self, value: Tensor) -> Tensor:
        """Return the standard deviation of each entry sent, given the update `value`."""

    @abstractmethod
    def implied(self, sent: Tensor) -> float:
        """Return the root mean square deviation of the entries as the server can estimate it.

        Args:
            sent: one parameter's update as decoded, which is all that the server has.
        """


def uniform(value: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return a number between 0 and 1 for each entry of a tensor, on its device, in float64."""
    # Drawn on the CPU, where the generator is: the same numbers on every device.
    drawn = torch.rand(value.shape, generator=generator, dtype=torch.float64)
    return drawn.to(value.device)
