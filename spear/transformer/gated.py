"""Gated feed-forward blocks, found by the names that `transformers` gives their three layers.

So do Llama, Mistral, Qwen and Gemma. A trace would not see them: the product of two layers is no
layer pair.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear.activations.elementwise import Elementwise
from spear.activations.smooth import GELU, SiLU
from spear.errors import LayerError
from spear.naming import unwrapped
from spear.reading import Shared, read
from spear.transformer.shared import trained

NAMES = ("gate_proj", "up_proj", "down_proj")
"""Layers of a gated block."""

KNOWN: tuple[Elementwise, ...] = (SiLU(), GELU(), GELU("tanh"))
"""Activations that gates have: of SwiGLU, and of GEGLU in both forms."""


@dataclass(frozen=True)
class GatedLayers:
    """Weights and gradients of a gated block, as a server holds them.

    Attributes:
        gate, up: weights of the layers that are multiplied (m x n).
        down: weight of the layer back (n' x m).
        gate_gradient, up_gradient, down_gradient: theirs.
        activation: sigma, of the gate.
    """

    gate: Tensor
    up: Tensor
    down: Tensor
    gate_gradient: Tensor
    up_gradient: Tensor
    down_gradient: Tensor
    activation: Elementwise


@dataclass(frozen=True)
class GatedBlock:
    """A gated block, down(sigma(gate(x)) * up(x)), without biases.

    Attributes:
        place: name of the module that has the three layers; empty if it is the model itself.
        module: that module.
        network: the model that it is part of.
        activation: sigma.
    """

    place: str
    module: nn.Module
    network: nn.Module
    activation: Elementwise

    @property
    def name(self) -> str:
        """Name of its first layer, such as "model.layers.0.mlp.gate_proj"."""
        return self._named(NAMES[0])

    @property
    def width(self) -> int:
        """Entries of one input of the block (n)."""
        return int(self._weight(NAMES[0]).shape[1])

    @property
    def neurons(self) -> int:
        """Outputs of its first layer (m)."""
        return int(self._weight(NAMES[0]).shape[0])

    def gradients(self, shared: Shared) -> dict[str, Tensor]:
        """Return the gradients of the model by name.

        Raises:
            InvalidObservation: they do not fit the model.
        """
        return read(self.network, shared, form="gradients").gradients

    def observed(self, shared: Shared) -> GatedLayers:
        """Return what the server holds of the block.

        Args:
            shared: the gradients of the model; see `spear.invert_block`.

        Raises:
            LayerError: a weight of the block is frozen.
            InvalidObservation: the gradients do not fit the model.
        """
        gradients = self.gradients(shared)
        gate, up, down = (self._weight(part) for part in NAMES)
        own = [trained(gradients, f"{self._named(part)}.weight", "all three") for part in NAMES]
        return GatedLayers(gate, up, down, own[0], own[1], own[2], self.activation)

    def _named(self, part: str) -> str:
        return f"{self.place}.{part}".lstrip(".")

    def _weight(self, part: str) -> Tensor:
        return self.module.get_submodule(part).get_parameter("weight").detach()


def gated_block_at(model: nn.Module, index: int) -> GatedBlock:
    """Return gated block number `index`, counted from 0.

    Args:
        model: with the parameters for which the gradients were computed.
        index: of the block among the gated ones.

    Raises:
        LayerError: there is no such block, or it has biases or an unknown activation.
    """
    model = unwrapped(model)
    found = gated_modules(model)
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(found):
        raise LayerError(
            f"block is {index!r}, but the model has {len(found)} gated blocks, with layers named "
            f"{', '.join(NAMES)}; expected a number from 0 on and below that: choose another "
            "block or model."
        )
    place, module = [*found.items()][index]
    layers: list[Any] = [getattr(module, part) for part in NAMES]
    if any(each.bias is not None for each in layers):
        raise LayerError(
            f"{place or 'the block'} has biases; expected a gated block without: attack another "
            "one."
        )
    return GatedBlock(place, module, model, _activation(place, module))


def gated_modules(model: nn.Module) -> Mapping[str, nn.Module]:
    """Return the modules of a model that have the three layers of a gated block, by name."""
    named = model.named_modules()
    return {k: each for k, each in named if all(hasattr(each, part) for part in NAMES)}


def gated_layers(model: nn.Module, gradients: Shared, block: int = 0) -> GatedLayers:
    """Return what a server holds of a gated block.

    Args:
        model, block: see `gated_block_at`.
        gradients: see `spear.invert_block`.

    Raises:
        LayerError: there is no such block, it has biases or an unknown activation, or it is frozen.
        InvalidObservation: the gradients do not fit the model.
    """
    return gated_block_at(model, block).observed(gradients)


def _activation(name: str, found: nn.Module) -> Elementwise:
    """The known activation that the block computes."""
    computed: Any = getattr(found, "act_fn", None)
    z = torch.linspace(-3, 3, 25, dtype=torch.float64)
    for each in KNOWN:
        if callable(computed) and torch.allclose(computed(z), each.value(z), rtol=1e-9, atol=1e-9):
            return each
    raise LayerError(
        f"the activation of {name or 'the block'} is not known; expected SiLU or GELU as its "
        "act_fn: attack another block."
    )
