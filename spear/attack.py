"""The interface of every attack."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from spear.networks import Sparsity
from spear.observation import Observation
from spear.reconstruction import Reconstruction


@dataclass(frozen=True)
class Progress:
    """How far a running attack is, for a progress display.

    Attributes:
        n_directions: candidate directions found.
        batch_size: directions to find (the rank of the gradient).
        submatrices: submatrices sampled.
    """

    n_directions: int
    batch_size: int
    submatrices: int


ProgressCallback = Callable[[Progress], None]


class Attack(Protocol):
    """What a server does with an observation.

    A new attack is a class with `layer`, `sparsity` and this call, and one file in `conf/attack/`.

    Attributes:
        layer: the linear layer whose observation it wants, counted from 1.
        sparsity: what it lives on, and so on which side of the layer a ReLU must stand (Sec. 3.2).
    """

    layer: int
    sparsity: Sparsity

    def __call__(
        self, observation: Observation, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Reconstruct the batch behind an observation, and nothing but the observation."""
        ...
