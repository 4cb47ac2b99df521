"""Clients that go wrong on purpose, for tests of how jobs fail."""

import os
import signal
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from spear.client.defenses import NoDefense
from spear.data import Batch
from spear.errors import SpearError
from spear.inversion import SpearIrls
from spear.reconstruction import Reconstruction


class NanOnSecondBatch(NoDefense):
    """A client whose second update is NaN."""

    def __init__(self) -> None:
        self.calls = 0

    def gradient(
        self, network: nn.Module, loss: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        gradients = super().gradient(network, loss, batch, generator)
        self.calls += 1
        if self.calls == 2:
            gradients = {name: value * float("nan") for name, value in gradients.items()}
        return gradients


class ZeroGradient(NoDefense):
    """A client that learnt nothing."""

    def gradient(
        self, network: nn.Module, loss: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        gradients = super().gradient(network, loss, batch, generator)
        return {name: torch.zeros_like(value) for name, value in gradients.items()}


class Crash(NoDefense):
    """A client with a bug."""

    def gradient(
        self, network: nn.Module, loss: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        raise ZeroDivisionError("a bug, not bad input")


class NoMemory(SpearIrls):
    """An attack on a GPU that others have filled."""

    def __call__(self, *arguments: object, **settings: object) -> Reconstruction:
        raise torch.OutOfMemoryError("CUDA out of memory.")


class Tells(NoDefense):
    """A client whose error has a credential in it."""

    def gradient(
        self, network: nn.Module, loss: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        raise SpearError(f"your key is {os.environ['WANDB_API_KEY']}")


class _OnceOnly(NoDefense):
    """A client that meets with something in one of its batches, the first time that it gets there.

    Attributes:
        MARKER: environment variable: the file that says that it did; no part of a job's key.
        BATCH: which of its batches, from 1.
    """

    MARKER: str
    BATCH: int

    def __init__(self) -> None:
        self.calls = 0

    def gradient(
        self, network: nn.Module, loss: nn.Module, batch: Batch, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        self.calls += 1
        marker = Path(os.environ[self.MARKER])
        if self.calls == self.BATCH and not marker.exists():
            marker.touch()
            self.happens()
        return super().gradient(network, loss, batch, generator)

    def happens(self) -> None:
        raise NotImplementedError


class Hangs(_OnceOnly):
    """A client that takes for ever over its second batch."""

    MARKER, BATCH = "HUNG", 2

    def happens(self) -> None:
        time.sleep(600)


class Killed(_OnceOnly):
    """A client for which the system has no memory: it kills the process."""

    MARKER, BATCH = "KILLED", 1

    def happens(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Preempted(_OnceOnly):
    """A client whose job its scheduler takes back with the second batch."""

    MARKER, BATCH = "PREEMPTED", 2

    def happens(self) -> None:
        signal.raise_signal(signal.SIGUSR2)  # as submitit has Slurm do
