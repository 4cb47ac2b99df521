"""The interface of every attack."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import nn

from spear.domain import Domain
from spear.layers import Sparsity, attackable, linear_layers
from spear.observation import Observation
from spear.reconstruction import Reconstruction
from spear.update import Update

Seen = TypeVar("Seen")
"""What an attack looks at: an `Observation` of one layer, the whole `Update`, or its own type."""


@dataclass(frozen=True)
class Progress:
    """How far a running attack is, for a progress display.

    Attributes:
        done: units of work done.
        total: units until the attack ends at the latest.
        unit: what is counted.
        note: what else there is to say.
    """

    done: int
    total: int
    unit: str
    note: str = ""

    @classmethod
    def directions(cls, found: int, b: int, submatrices: int = 0) -> "Progress":
        """Of an attack that looks for b directions, and may sample submatrices for that."""
        return cls(found, b, "directions", f"{submatrices:.2g} submatrices" if submatrices else "")


ProgressCallback = Callable[[Progress], None]


class Attack(Protocol[Seen]):
    """What a server does with an update.

    A new attack is a class with these members, and one file in `conf/attack/`.
    """

    @property
    def layer(self) -> int | None:
        """The linear layer whose inputs it reconstructs, from 1; None for the network's own."""
        ...

    @property
    def given_labels(self) -> bool:
        """Return whether the server knows the batch's labels, which no client sends."""
        ...

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Refuse, before any batch, a network that it cannot attack.

        Args:
            network: that clients will train.
            domain: of its inputs.

        Raises:
            SpearError: what is wrong with it.
        """
        ...

    def observe(self, update: Update) -> Seen:
        """The part of the update that it looks at, and nothing else.

        Raises:
            SpearError: it is not there, or not what the attack needs.
        """
        ...

    def __call__(
        self, observation: Seen, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Reconstruct the batch behind an observation, and nothing but the observation."""
        ...


class LayerAttack:
    """What attacks on one linear layer have in common: they look at its part of the update only.

    Args:
        layer: its number, counted from 1.
        sparsity: what the attack lives on, and so on which side of the layer a ReLU must stand
            (Sec. 3.2); None for one that needs no ReLU.
    """

    given_labels = False

    def __init__(self, layer: int, sparsity: Sparsity | None) -> None:
        self.layer = layer
        self.sparsity = sparsity

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `Attack.check`.

        Raises:
            LayerError: no such layer, or no ReLU where the attack needs it.
            VictimError: the network does not take inputs of the domain's shape.
        """
        attackable(linear_layers(network, domain.shape), self.layer, self.sparsity)

    def observe(self, update: Update) -> Observation:
        """Implement `Attack.observe`.

        Raises:
            LayerError, InvalidObservation: see `Update.observe`.
        """
        return update.observe(self.layer, self.sparsity)
