"""Calls of a vision transformer's first block, found by what its modules receive and return."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear.errors import LayerError, VictimError
from spear.pairs import Pair
from spear.probing import Call, watching
from spear.transformer.blocks import block_at
from spear.vision.layout import example, outputs_of

SEEN = nn.LayerNorm | nn.Linear | nn.Conv2d | nn.MultiheadAttention


@dataclass(frozen=True)
class BlockCalls:
    """Calls of a run that belong to the first block.

    Attributes:
        projection: of the convolution that cuts patches.
        norms: of the layer norms before the attention and before the feed-forward layers.
        inputs: of the layers that read the first norm: queries, keys and values.
        output: of the projection behind the attention, or of a whole nn.MultiheadAttention.
    """

    projection: Call
    norms: tuple[Call, Call]
    inputs: tuple[Call, ...]
    output: Call

    @property
    def attended(self) -> Tensor:
        """Sum that the attention adds, before any LayerScale (b x T x d)."""
        found: Tensor | tuple[Tensor, ...] = self.output.output
        return found[0] if isinstance(found, tuple) else found


def feed_forward(model: nn.Module) -> Pair:
    """Return the first feed-forward block of a model as a pair.

    Raises:
        VictimError: it has none that is a layer pair.
    """
    try:
        return block_at(model, 0, example(model)).pair
    except LayerError as error:
        raise VictimError(str(error)) from error


def block_calls(network: nn.Module, images: Tensor, pair: Pair) -> BlockCalls:
    """Run a network and return the calls of its first block.

    Args:
        network: any module.
        images: that it takes.
        pair: its first feed-forward block.

    Raises:
        VictimError: the block has another form.
    """
    modules = {name: each for name, each in network.named_modules() if isinstance(each, SEEN)}
    calls: list[Call] = []
    with watching(modules, calls.append):
        outputs_of(network, images)
    last = next(i for i, each in enumerate(calls) if each.name == pair.first.name)
    before = calls[:last]
    norms = [i for i, each in enumerate(before) if isinstance(each.module, nn.LayerNorm)]
    if len(norms) < 2 or not torch.equal(before[norms[-1]].output, calls[last].inputs):
        raise VictimError(
            "no LayerNorm stands directly before the first feed-forward block, and another before "
            "its attention; expected both, as a norm behind them (post-norm, as in BERT or Swin "
            "V2) hides the sum that the equations need: attack a pre-norm model."
        )
    first, second = before[norms[-2]], before[norms[-1]]
    _check_projection(before[0])
    for each in (first, second):
        _check_norm(each)
    between = before[norms[-2] + 1 : norms[-1]]
    inputs = tuple(each for each in between if torch.equal(each.inputs, first.output))
    if not inputs:
        raise VictimError(
            "no linear layer reads the first layer norm; expected queries, keys and values of an "
            "attention over all tokens, which windows (Swin) are not: attack another model."
        )
    return BlockCalls(before[0], (first, second), inputs, between[-1])


def _check_projection(call: Call) -> None:
    projection = call.module
    if not isinstance(projection, nn.Conv2d):
        raise VictimError(
            f"the model's first layer, {call.name}, is a {type(projection).__name__}; expected a "
            "convolution that cuts patches."
        )
    side = projection.kernel_size[0]
    square = (side, side)
    form = (projection.kernel_size, projection.stride, projection.padding, projection.dilation)
    if form != (square, square, (0, 0), (1, 1)) or projection.groups != 1:
        raise VictimError(
            f"the model's {call.name} is {projection}; expected kernel and stride of the patch's "
            f"side, {side}, without padding, dilation or groups: patches side by side are needed."
        )


def _check_norm(call: Call) -> None:
    norm: Any = call.module
    if norm.weight is None or norm.bias is None:
        raise VictimError(
            f"{call.name}, a norm of the model's first block, is {norm}; expected a LayerNorm with "
            "weight and bias, whose mean and scale the equations have as unknowns."
        )
