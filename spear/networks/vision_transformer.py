"""Vision transformers of torchvision, of any size, at initialisation."""

from collections.abc import Sequence
from enum import StrEnum

import torch
from torch import nn

from spear.errors import ConfigError
from spear.settings import check_least

COLOURS = 3
"""Channels of torchvision's vision transformers."""

HEAD_DEVIATION = 0.02
"""Standard deviation of the head's weights, as of the ViTs of timm and `transformers`."""


class Head(StrEnum):
    """Features that the head of a vision transformer classifies by."""

    CLASS_TOKEN = "class_token"
    """Class token after the last block, as in torchvision."""

    MEAN = "mean"
    """Mean of all tokens after the last block."""


def vit(
    input_shape: Sequence[int],
    n_classes: int,
    patch: int = 8,
    width: int = 384,
    depth: int = 4,
    heads: int = 6,
    mlp_width: int = 1536,
    head: str = "class_token",
    seed: int = 0,
) -> nn.Module:
    """Return torchvision's vision transformer (Dosovitskiy et al., ICLR 2021), without dropout.

    Parameters are drawn from `seed` alone as torchvision does, but for the head's weights:
    torchvision starts them at 0, behind which no other layer has a gradient. They are normal, with
    deviation 0.02. The global random state is left as it was.

    Args:
        input_shape: C x H x W, with H = W.
        n_classes: outputs of the head.
        patch: side of a patch in pixels, which divides that of the images.
        width: entries of a token, d.
        depth: number of encoder blocks, at least 1.
        heads: of each attention; they divide `width`.
        mlp_width: neurons of each feed-forward block.
        head: "class_token", as torchvision's, or "mean", which classifies by the mean of all
            tokens.
        seed: of the initialisation.

    Raises:
        ConfigError: inputs are no square images, or a size does not fit.
    """
    from spear.networks.mean_token import MeanToken, VisionTransformer  # take seconds

    channels, side = _checked(tuple(input_shape), patch)
    check_least(1, width=width, depth=depth, heads=heads, mlp_width=mlp_width)
    if width % heads:
        raise ConfigError(f"heads is {heads}; expected a divisor of width, which is {width}.")
    if head not in list(Head):
        raise ConfigError(f"head is {head!r}; expected {' or '.join(Head)}.")
    kind = MeanToken if head == Head.MEAN else VisionTransformer
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = kind(side, patch, depth, heads, width, mlp_width, num_classes=n_classes)
        if channels != COLOURS:
            network.conv_proj = _projection(channels, width, patch)
        nn.init.normal_(network.heads[-1].weight, std=HEAD_DEVIATION)
    # Dropout with p = 0 changes nothing, but in training mode it passes for a random module.
    return network.eval()


def _checked(shape: tuple[int, ...], patch: int) -> tuple[int, int]:
    """Channels and side of the images."""
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ConfigError(
            f"vit is for square images of C x H x H, but inputs have shape {shape}; choose a "
            "data set of such images, or the network fcnn."
        )
    channels, side, _ = shape
    if patch < 1 or side % patch:
        raise ConfigError(
            f"patch is {patch}; expected a divisor of the images' side, which is {side}."
        )
    return channels, side


def _projection(channels: int, width: int, patch: int) -> nn.Conv2d:
    """The projection of patches, drawn as torchvision draws that of three channels."""
    made = nn.Conv2d(channels, width, patch, patch)
    nn.init.trunc_normal_(made.weight, std=(channels * patch**2) ** -0.5)
    nn.init.zeros_(made.bias)  # type: ignore[arg-type]
    return made
