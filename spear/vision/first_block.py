"""First block of a vision transformer, from the pixels to the inputs of its feed-forward block.

    x = W_e patch + b_e + e_p        for a patch at position p, and class token + e_0
    h = LayerNorm1(x),  o = attention of h before its projection
    x' = x + W_o o + b_o,  u = LayerNorm2(x')

The feed-forward block receives u. All of it is linear in the pixels but for the layer norms and
the attention.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spear.errors import VictimError
from spear.vision.form import checked
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
        grid: how an image is cut.
        patch_weight, patch_bias: W_e (d x P) and b_e (d).
        class_token: d.
        positions: e_0 to e_N ((N + 1) x d), e_0 of the class token.
        before_attention, before_feed_forward: the layer norms.
        in_weight, in_bias: of queries, keys and values, one below the other (3 d x d; 3 d).
        out_weight, out_bias: W_o (d x d) and b_o (d).
        heads: of the attention.
    """

    grid: Grid
    patch_weight: Tensor
    patch_bias: Tensor
    class_token: Tensor
    positions: Tensor
    before_attention: Norm
    before_feed_forward: Norm
    in_weight: Tensor
    in_bias: Tensor
    out_weight: Tensor
    out_bias: Tensor
    heads: int

    @property
    def width(self) -> int:
        """Entries of a token, d."""
        return self.patch_weight.shape[0]

    @property
    def offsets(self) -> Tensor:
        """Part of x that does not depend on the patch, by position ((N + 1) x d)."""
        fixed = self.patch_bias.expand(self.grid.patches, -1)
        return self.positions + torch.cat([self.class_token[None], fixed])


def first_block(model: nn.Module) -> FirstBlock:
    """Return the first block of a vision transformer of torchvision, or of a class made from it.

    Args:
        model: any module; it is not changed.

    Raises:
        VictimError: it is none, or its first block has another form.
    """
    network = checked(model)
    layer = network.encoder.layers[0]
    attention, projection = layer.self_attention, network.conv_proj
    side = network.patch_size
    across = network.image_size // side
    found = FirstBlock(
        grid=Grid(projection.in_channels, side, across, across),
        patch_weight=_double(projection.weight).flatten(1),
        patch_bias=_double(projection.bias),
        class_token=_double(network.class_token).flatten(),
        positions=_double(network.encoder.pos_embedding)[0],
        before_attention=_norm(layer.ln_1),
        before_feed_forward=_norm(layer.ln_2),
        in_weight=_double(attention.in_proj_weight),
        in_bias=_double(attention.in_proj_bias),
        out_weight=_double(attention.out_proj.weight),
        out_bias=_double(attention.out_proj.bias),
        heads=attention.num_heads,
    )
    if not found.before_feed_forward.weight.all():
        raise VictimError(
            "the layer norm before the first feed-forward block has a weight of 0, which hides an "
            "entry of every token; expected none: attack a model whose weights are all in use."
        )
    return found


def _norm(module: nn.LayerNorm) -> Norm:
    return Norm(_double(module.weight), _double(module.bias), module.eps)


def _double(parameter: Tensor) -> Tensor:
    return parameter.detach().double().cpu()
