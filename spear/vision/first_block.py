"""First block of a vision transformer, from the pixels to the inputs of its feed-forward block.

    x = W_e patch + b_e + e_p        for a patch at position p; known for class and register tokens
    h = LayerNorm1(x),  o = attention of h before its projection
    x' = x + W_o o + b_o,  u = LayerNorm2(x')

The feed-forward block receives u. All of it is linear in the pixels but for the layer norms and
the attention.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear.errors import VictimError
from spear.vision.form import traced
from spear.vision.layout import Layout
from spear.vision.patches import Grid


@dataclass(frozen=True)
class Norm:
    """A layer norm.

    Attributes:
        weight, bias: gamma and beta (d).
        epsilon: added to the variance.
    """

    weight: Tensor
    bias: Tensor
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        """Return the norm's outputs for inputs (k x d)."""
        return nn.functional.layer_norm(x, self.bias.shape, self.weight, self.bias, self.epsilon)

    def directions(self, outputs: Tensor) -> Tensor:
        """Return its inputs up to mean and scale, from its outputs (k x d): (u - beta) / gamma."""
        found = (outputs - self.bias) / self.weight
        return found - found.mean(dim=1, keepdim=True)


@dataclass(frozen=True)
class FirstBlock:
    """Parameters up to the first feed-forward block, in float64 on the CPU.

    Attributes:
        layout: names of its parts.
        grid: how an image is cut.
        patch_weight: W_e (d x P).
        offsets: part of x that does not depend on the patch ((r + N) x d), by position: first r
            tokens without a patch, such as class and register tokens, then b_e + e_p.
        before_attention, before_feed_forward: the layer norms.
        in_weight, in_bias: of queries, keys and values, one below the other (3 d x d; 3 d).
        out_weight, out_bias: W_o (d x d) and b_o (d), any LayerScale included.
    """

    layout: Layout
    grid: Grid
    patch_weight: Tensor
    offsets: Tensor
    before_attention: Norm
    before_feed_forward: Norm
    in_weight: Tensor
    in_bias: Tensor
    out_weight: Tensor
    out_bias: Tensor

    @property
    def width(self) -> int:
        """Entries of a token, d."""
        return self.patch_weight.shape[0]

    @property
    def heads(self) -> int:
        """Heads of the attention."""
        return self.layout.heads

    @property
    def tokens(self) -> int:
        """Tokens of an image, r + N."""
        return len(self.offsets)

    @property
    def prefix(self) -> int:
        """Tokens of an image that have no patch, r; they stand first."""
        return self.tokens - self.grid.patches


def first_block(model: nn.Module) -> FirstBlock:
    """Return the first block of a vision transformer, whatever library wrote it.

    Args:
        model: any module; it is not changed.

    Raises:
        VictimError: it is none, or its first block has another form.
    """
    found = traced(model)
    layout, scale = found.layout, found.scale
    state = {name: _double(each) for name, each in model.named_parameters()}
    _, channels, side, _ = state[layout.patches_weight].shape
    _, height, width = layout.image
    out = state[layout.first(layout.attention_output)]
    out_bias = _bias(state, layout.first(layout.attention_output), len(out))
    block = FirstBlock(
        layout=layout,
        grid=Grid(channels, side, height // side, width // side),
        patch_weight=state[layout.patches_weight].flatten(1),
        offsets=found.offsets,
        before_attention=_norm(model, layout.first(layout.norms[0])),
        before_feed_forward=_norm(model, layout.first(layout.norms[1])),
        in_weight=_ordered(layout, [state[layout.first(k)] for k in layout.attention_inputs]),
        in_bias=_ordered(layout, _input_biases(layout, state)),
        out_weight=scale[:, None] * out,
        out_bias=scale * out_bias,
    )
    if not block.before_feed_forward.weight.all():
        raise VictimError(
            "the layer norm before the first feed-forward block has a weight of 0, which hides an "
            "entry of every token; expected none: attack a model whose weights are all in use."
        )
    return block


def _input_biases(layout: Layout, state: Mapping[str, Tensor]) -> list[Tensor]:
    names = [layout.first(each) for each in layout.attention_inputs]
    return [_bias(state, each, len(state[each])) for each in names]


def _ordered(layout: Layout, parts: Sequence[Tensor]) -> Tensor:
    """Queries, keys and values, one below the other."""
    split = torch.cat(list(parts)).chunk(3)
    return torch.cat([split[each] for each in layout.order])


def _bias(state: Mapping[str, Tensor], weight: str, size: int) -> Tensor:
    """Bias beside a weight; 0 if there is none."""
    found = state.get(f"{weight.removesuffix('weight')}bias")
    return torch.zeros(size, dtype=torch.float64) if found is None else found


def _norm(model: nn.Module, name: str) -> Norm:
    module: Any = model.get_submodule(name)
    return Norm(_double(module.weight), _double(module.bias), module.eps)


def _double(parameter: Tensor) -> Tensor:
    return parameter.detach().double().cpu()
