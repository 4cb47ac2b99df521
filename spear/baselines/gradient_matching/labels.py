"""The labels that a candidate's gradients are computed with: known, or found along with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from spear.settings import check_least
from spear.update import Update


@dataclass(frozen=True)
class Targets:
    """Targets that the loss compares outputs with.

    Attributes:
        b: how many inputs to look for.
        variables: tensors that the optimiser changes besides the inputs.
        current: the targets for the variables as they are now.
    """

    b: int
    variables: list[Tensor]
    current: Callable[[], Tensor]


class Labels(Protocol):
    """The way an attack gets the labels."""

    @property
    def given(self) -> bool:
        """Return whether the server must know them."""
        ...

    def start(self, update: Update, outputs: Tensor, generator: torch.Generator) -> Targets:
        """Targets at the beginning of a restart.

        Args:
            update: what the server holds; its labels, if it knows them.
            outputs: of the network for any inputs (... x K): their classes, precision and device.
            generator: of the CPU.
        """
        ...


class GivenLabels:
    """The server knows every label."""

    given = True

    def start(self, update: Update, outputs: Tensor, generator: torch.Generator) -> Targets:
        """Implement `Labels`."""
        known = update.labels
        assert known is not None  # `spear.baselines.gradient_matching.checks.check_labels`
        return Targets(len(known), [], lambda: known)


class LabelsOfSize:
    """Base of the ways to find labels for which the server must know how many there are.

    Args:
        batch_size: b.

    Raises:
        ConfigError: batch_size < 1.
    """

    given = False

    def __init__(self, batch_size: int) -> None:
        check_least(1, batch_size=batch_size)
        self.batch_size = batch_size


class JointLabels(LabelsOfSize):
    """Each label is a softmax over logits that are optimised with the inputs (DLG, Algorithm 1).

    The loss must take class probabilities, as cross-entropy does.

    Args:
        batch_size: b, which DLG takes as known.

    Raises:
        ConfigError: batch_size < 1.
    """

    def start(self, update: Update, outputs: Tensor, generator: torch.Generator) -> Targets:
        """Implement `Labels`. Logits begin standard normal."""
        logits = torch.randn(self.batch_size, outputs.shape[-1], generator=generator).to(outputs)
        return Targets(self.batch_size, [logits], lambda: logits.softmax(dim=1))
