"""The interface of every attack."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from torch import nn

from spear.domain import Domain
from spear.errors import VictimError
from spear.layers import Sparsity, attackable, check_number, linear_layers
from spear.observation import LayerPair, Observation
from spear.pairs import pair_at
from spear.reconstruction import Reconstruction
from spear.transformer import AnyBlock, check_takes_numbers, inner_model
from spear.update import Update, check_update

Seen = TypeVar("Seen")
"""Type that an attack observes: an `Observation` of one layer, the whole `Update`, or its own."""


@dataclass(frozen=True)
class Progress:
    """Progress of a running attack, for a display.

    Attributes:
        done: units of work done.
        total: units after which the attack ends at the latest.
        unit: name of the units, for example "directions".
        note: further words for the display; may be empty.
    """

    done: int
    total: int
    unit: str
    note: str = ""

    @classmethod
    def directions(cls, found: int, b: int, submatrices: int = 0) -> "Progress":
        """Return the progress of an attack that has found some of b directions.

        Args:
            found: directions found.
            b: directions to be found.
            submatrices: number of submatrices sampled so far; 0 for an attack that samples none.
        """
        return cls(found, b, "directions", f"{submatrices:.2g} submatrices" if submatrices else "")


ProgressCallback = Callable[[Progress], None]


class Attack(Protocol[Seen]):
    """Interface of every attack: a server observes an update and reconstructs the batch behind it.

    A new attack is a class with these members, and one file in `conf/attack/`.
    """

    @property
    def layer(self) -> int | None:
        """Number of the linear layer whose inputs are reconstructed, counted from 1.

        -1 is the last one; None for an attack on the network's own inputs.
        """
        ...

    @property
    def given_labels(self) -> bool:
        """Return whether the server knows the batch's labels, which no client sends."""
        ...

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Refuse, before any batch, a network that the attack cannot attack.

        Args:
            network: the one that clients will train.
            domain: shape and range of its inputs.

        Raises:
            SpearError: the network cannot be attacked; the message says why.
        """
        ...

    def observe(self, update: Update) -> Seen:
        """Return the part of the update that the attack looks at, and nothing else.

        Raises:
            SpearError: this part is not there, or not what the attack needs.
        """
        ...

    def __call__(
        self, observation: Seen, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Reconstruct the batch behind an observation.

        Args:
            observation: all that the attack may look at.
            seed: of the attack's random numbers; the same seed gives the same result.
            progress: called now and then with the attack's progress.
        """
        ...


class LayerAttack:
    """Base of the attacks on one linear layer, which look at that layer's part of the update only.

    Args:
        layer: number of the attacked layer, counted from 1; -1 is the last one.
        sparsity: factor of the layer's gradient that must be sparse (Sec. 3.2), which says on
            which side of the layer a ReLU must stand; None for an attack that needs no ReLU.

    Raises:
        LayerError: `layer` is no whole number.
    """

    given_labels = False

    def __init__(self, layer: int, sparsity: Sparsity | None) -> None:
        check_number(layer)
        self.layer = layer
        self.sparsity = sparsity

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `Attack.check`.

        Raises:
            LayerError: no such layer, or no ReLU where the attack needs it.
            VictimError: the network does not take inputs of the domain's shape.
        """
        check_takes_numbers(network)
        attackable(linear_layers(network, domain.shape), self.layer, self.sparsity)

    def observe(self, update: Update) -> Observation:
        """Implement `Attack.observe`.

        Raises:
            LayerError, InvalidObservation: see `Update.observe`.
        """
        check_update(update)
        return update.observe(self.layer, self.sparsity)


class PairAttack:
    """Base of the attacks on a layer pair: a layer, an activation and the next layer.

    Args:
        layer: number of the first of the two, counted from 1.

    Raises:
        LayerError: `layer` is no whole number.
    """

    given_labels = False

    def __init__(self, layer: int) -> None:
        check_number(layer)
        self.layer = layer

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `Attack.check`.

        Raises:
            LayerError: there is no such layer, no elementwise activation and linear layer follow
                it, or nothing is known of the activation.
            VictimError: the network does not take inputs of the domain's shape.
        """
        check_takes_numbers(network)
        pair = pair_at(linear_layers(network, domain.shape), self.layer)
        pair.activation(dict(network.named_parameters()))

    def observe(self, update: Update) -> LayerPair:
        """Implement `Attack.observe`.

        Raises:
            LayerError, InvalidObservation: see `Update.observe_pair`.
        """
        check_update(update)
        return update.observe_pair(self.layer)


class BlockAttack(Generic[Seen]):
    """Base of the attacks on hidden states that enter a feed-forward block of a transformer.

    What it observes are the layers of the block with their updates.

    Args:
        block: number of the block in order of execution, counted from 0.
    """

    given_labels = False
    layer = None

    def __init__(self, block: int) -> None:
        self.block = block

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `Attack.check`.

        Raises:
            LayerError: the model has no such block.
            VictimError: it is no model of `transformers`.
        """
        self.block_of(network)

    def observe(self, update: Update) -> Seen:
        """Return the layers of the block, their updates, and the activation.

        Raises:
            LayerError: there is no such block, or a parameter of it is frozen.
            VictimError: the network is no model of `transformers`.
            InvalidObservation: an update of the block is not finite.
        """
        check_update(update)
        _, gradients = inner_model(update.network, update.gradients)
        return self.block_of(update.network).observed(gradients)

    def block_of(self, network: nn.Module) -> AnyBlock[Seen]:
        """Return the attacked block of a network.

        Raises:
            LayerError, VictimError: see `check`.
        """
        model, _ = inner_model(network, {})
        if not hasattr(model, "config"):
            raise VictimError(
                f"the network, a {type(model).__name__}, is no model of transformers, whose "
                "feed-forward blocks are attacked; choose network=bert, gpt2, opt, llama or minilm."
            )
        return self.found(model)

    @abstractmethod
    def found(self, model: nn.Module) -> AnyBlock[Seen]:
        """Return the attacked block of a model of `transformers`.

        Raises:
            LayerError, VictimError: see `check`.
        """
