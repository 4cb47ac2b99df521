"""Blocks of either kind to those who attack or score them, and their part of what is shared."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from torch import Tensor

from spear.errors import LayerError
from spear.reading import Shared

SeenOfBlock = TypeVar("SeenOfBlock", covariant=True)
"""Type of what a server holds of a block: a `LayerPair`, or `GatedLayers`."""


class AnyBlock(Protocol[SeenOfBlock]):
    """A feed-forward block of a transformer, plain or gated."""

    @property
    def name(self) -> str:
        """Return the name of its first layer, whose inputs are the hidden states."""
        ...

    @property
    def width(self) -> int:
        """Return the entries of a hidden state."""
        ...

    @property
    def neurons(self) -> int:
        """Return the outputs of its first layer."""
        ...

    def gradients(self, shared: Shared) -> dict[str, Tensor]:
        """Return the gradients of the model by name, each weight as m x n."""
        ...

    def observed(self, shared: Shared) -> SeenOfBlock:
        """Return what the server holds of the block."""
        ...


ADAPTER = "lora_"
"""Part of the names of an adapter's weights, as PEFT has them."""


def trained(gradients: Mapping[str, Tensor], name: str, count: str = "both") -> Tensor:
    """Return the gradient of a block's parameter.

    Args:
        gradients: by name.
        name: of the parameter.
        count: word for the block's layers, all of which have to be trained.

    Raises:
        LayerError: it has none, because it is frozen or an adapter is trained in its place.
    """
    adapter = next((each for each in gradients if ADAPTER in each), None)
    if name not in gradients and adapter:
        raise LayerError(
            f"{name} has no gradient, as adapters are trained in its place: {why_not(adapter)}"
        )
    if name not in gradients:
        raise LayerError(
            f"{name} has no gradient, as it is frozen or not shared; expected the gradients of "
            f"{count} layers of the block: attack a block that is trained."
        )
    return gradients[name]


def why_not(adapter: str) -> str:
    """Return what an adapter leaves to recover, and what to do."""
    return (
        f"the gradient of {adapter} and its partner, of rank r, has r combinations of the hidden "
        "states at most; expected the gradients of both layers of a block: attack a model whose "
        "blocks are trained whole."
    )
