"""Form of a vision transformer whose first block can be inverted: what else is refused."""

from typing import Any

import torch
from torch import Tensor, nn

from spear.errors import VictimError
from spear.probing import probe

EXAMPLES = 2
"""Images of noise on which a model is tried."""

SILENT = 1e-9
"""Gradient of a patch's feed-forward output, relative to the largest of a token, that is none."""


def checked(model: nn.Module) -> Any:
    """Return the model, if its first block is that of torchvision's vision transformer.

    Raises:
        VictimError: it is another model, or a part of the block has another form.
    """
    from torchvision.models import VisionTransformer  # takes seconds

    if not isinstance(model, VisionTransformer):
        raise VictimError(
            f"the model is a {type(model).__name__}; expected a torchvision.models."
            "VisionTransformer or a class made from it: take the hidden states of other "
            "transformers by spear.invert_block."
        )
    _check_projection(model.conv_proj, model.patch_size)
    layer: Any = model.encoder.layers[0]
    for name in ("ln_1", "ln_2"):
        _check_norm(name, getattr(layer, name))
    _check_attention(layer.self_attention)
    return model


def check_patches_are_seen(model: nn.Module) -> None:
    """Refuse a model in which patches get no gradient in the first feed-forward block.

    With one encoder layer and a head on the class token, only the class tokens have one there.

    Args:
        model: one that `checked` accepts.

    Raises:
        VictimError: it is such a model.
    """
    network: Any = model
    block = network.encoder.layers[0].mlp
    with torch.enable_grad(), probe({"": block}) as calls:
        outputs = network(_noise(network))
        if not calls[0].output.requires_grad:
            return  # frozen, which the missing gradient tells
        loss = outputs.square().sum()
        (found,) = torch.autograd.grad(loss, calls[0].output, allow_unused=True)
    sizes = torch.zeros(1) if found is None else found.detach().flatten(2).norm(dim=2)
    if sizes.any() and sizes[:, 1:].max() <= SILENT * sizes.max():
        raise VictimError(
            "the patches get no gradient in the first feed-forward block, as only the class token "
            "is read behind it; expected a second encoder layer or a head on all tokens: attack a "
            "deeper model."
        )


def _noise(network: Any) -> Tensor:
    like = next(network.parameters())
    side, channels = network.image_size, network.conv_proj.in_channels
    generator = torch.Generator().manual_seed(0)
    return torch.randn(EXAMPLES, channels, side, side, generator=generator).to(like)


def _check_projection(projection: nn.Module, side: int) -> None:
    if not isinstance(projection, nn.Conv2d):
        raise VictimError(
            f"the model's conv_proj is a {type(projection).__name__}; expected one "
            "convolution that cuts patches: attack a model without a convolutional stem."
        )
    square = (side, side)
    form = (projection.kernel_size, projection.stride, projection.padding, projection.dilation)
    if form != (square, square, (0, 0), (1, 1)) or projection.groups != 1:
        raise VictimError(
            f"the model's conv_proj is {projection}; expected kernel and stride of the patch's "
            f"side, {side}, without padding, dilation or groups: patches side by side are needed."
        )
    if projection.bias is None:
        raise VictimError("the model's conv_proj has no bias; expected one, as in torchvision.")


def _check_norm(name: str, norm: nn.Module) -> None:
    if not isinstance(norm, nn.LayerNorm) or norm.weight is None or norm.bias is None:
        raise VictimError(
            f"{name} of the model's first layer is {norm}; expected a LayerNorm with weight and "
            "bias, whose mean and scale the equations have as unknowns."
        )


def _check_attention(attention: nn.Module) -> None:
    if not isinstance(attention, nn.MultiheadAttention):
        raise VictimError(
            f"the attention of the model's first layer is a {type(attention).__name__}; expected "
            "torch.nn.MultiheadAttention, as in torchvision."
        )
    extra = attention.bias_k is not None or attention.add_zero_attn
    if extra or attention.in_proj_weight is None or attention.in_proj_bias is None:
        raise VictimError(
            f"the attention of the model's first layer is {attention} with its projections apart, "
            "without biases, or with tokens of its own; expected one projection with a bias."
        )
