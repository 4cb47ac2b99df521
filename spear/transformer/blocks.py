"""Feed-forward blocks of a transformer: a layer up, an activation, and a layer back.

The block of one position computes fc2(sigma(fc1(x))), and returns to the width of x. So it is a
layer pair, and the batch of the pair are all token positions that have a gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear.errors import LayerError, VictimError
from spear.layers import linear_layers
from spear.observation import LayerPair, Observation
from spear.pairs import Pair, is_pair, pair_at
from spear.reading import Shared
from spear.transformer.shared import ADAPTER, trained, why_not
from spear.transformer.standard import Standard, standard

EXAMPLE_TOKENS = 4
"""Tokens of a sequence on which a model is traced."""


@dataclass(frozen=True)
class Block:
    """A feed-forward block.

    Attributes:
        index: its number in order of execution, counted from 0 as `transformers` does.
        pair: its two layers.
        model: the model that it is part of.
    """

    index: int
    pair: Pair
    model: Standard

    @property
    def name(self) -> str:
        """Name of its first layer, such as "transformer.h.0.mlp.c_fc"."""
        return self.pair.first.name

    @property
    def width(self) -> int:
        """Entries of one input of the block."""
        return self.pair.first.module.in_features

    @property
    def neurons(self) -> int:
        """Outputs of its first layer."""
        return self.pair.first.module.out_features

    def gradients(self, shared: Shared) -> dict[str, Tensor]:
        """Return the gradients of the model by name; see `Standard.gradients`."""
        return self.model.gradients(shared)

    def observed(self, shared: Shared) -> LayerPair:
        """Return what the server holds of the block.

        Args:
            shared: the gradients of the model; see `Standard.gradients`.

        Raises:
            LayerError: a parameter of the block is frozen, or its activation is not known.
            InvalidObservation: the gradients do not fit the model or are not finite.
        """
        gradients = self.gradients(shared)
        first = self.pair.first
        weights = [trained(gradients, f"{first.name}.{part}") for part in ("weight", "bias")]
        trained(gradients, f"{self.pair.following.name}.weight")
        parameters = dict(self.model.network.named_parameters())
        module = first.module
        seen = Observation(module.weight.detach(), module.bias.detach(), *weights)
        return self.pair.observed(seen, gradients, parameters)


def feed_forward_blocks(model: nn.Module, inputs: Any = None) -> tuple[Block, ...]:
    """Return the feed-forward blocks of a model, in order of execution.

    Args:
        model: in the mode in which the client trains it. It is not changed.
        inputs: a batch that it takes, several inputs by name; made from its configuration unless
            given.

    Raises:
        VictimError: the model does not run on these inputs, or none can be made.
    """
    copy = standard(model)
    layers = linear_layers(copy.network, example_inputs(model) if inputs is None else inputs)
    pairs = [pair_at(layers, each.index) for each in layers if is_pair(each)]
    returning = [each for each in pairs if _returns(each)]
    return tuple(Block(index, pair, copy) for index, pair in enumerate(returning))


def block_at(model: nn.Module, index: int, inputs: Any = None) -> Block:
    """Return feed-forward block number `index`, counted from 0.

    Args:
        model, inputs: see `feed_forward_blocks`.
        index: of the block.

    Raises:
        LayerError: there is no such block.
        VictimError: see `feed_forward_blocks`.
    """
    found = feed_forward_blocks(model, inputs)
    adapter = next((name for name, _ in model.named_parameters() if ADAPTER in name), None)
    if not found and adapter:
        raise LayerError(
            f"the model has no feed-forward block beside its adapters: {why_not(adapter)}"
        )
    if not found:
        raise LayerError(
            "the model has no feed-forward block; expected a linear layer with a bias, a known "
            "elementwise activation and a linear layer back to the same width, which dropout "
            "between the two is not, nor a gated block (SwiGLU, GEGLU): give that one to "
            "attack=spear_gated, or spear_text_gated for its text, or attack another model."
        )
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(found):
        raise LayerError(
            f"block is {index!r}; expected 0 to {len(found) - 1}, as the model has {len(found)} "
            "feed-forward blocks."
        )
    return found[index]


def example_inputs(model: nn.Module) -> dict[str, Tensor]:
    """Return a batch that a model of `transformers` takes, made from its configuration.

    Raises:
        VictimError: the model takes neither tokens nor pictures.
    """
    config: Any = getattr(model, "config", None)
    name = getattr(model, "main_input_name", "input_ids")
    parameter = next(model.parameters(), torch.empty(0))
    if name == "pixel_values" and hasattr(config, "image_size"):
        side: int | Sequence[int] = config.image_size
        height, width = (side, side) if isinstance(side, int) else side
        return {name: parameter.new_zeros(2, config.num_channels, height, width)}
    if name == "input_ids" and hasattr(config, "vocab_size"):
        tokens = torch.arange(2 * EXAMPLE_TOKENS, device=parameter.device) % config.vocab_size
        return {name: tokens.reshape(2, EXAMPLE_TOKENS)}
    raise VictimError(
        f"inputs are missing, and none can be made for a {type(model).__name__}; give a batch that "
        "the model takes, such as dict(input_ids=...)."
    )


def _returns(pair: Pair) -> bool:
    """Tell whether a pair returns to the width of its inputs, which a pooler's does not."""
    return pair.following.module.out_features == pair.first.module.in_features
