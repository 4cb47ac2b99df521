"""Parts of a vision transformer by name, whatever library wrote it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear.errors import VictimError
from spear.probing import tensors

SIZES = ("image_size", "img_size")
"""Attributes that say how large the images of a model are, in torchvision, `transformers`, timm."""


@dataclass(frozen=True)
class Layout:
    """Names of the parts of a vision transformer.

    Attributes:
        image: channels, height and width of its images.
        projection: the convolution that cuts patches.
        blocks: all blocks, in order.
        norms: layer norms before the attention and before the feed-forward layers, in a block.
        attention_inputs: weights of queries, keys and values in a block: one fused, or three.
        attention_output: weight of the projection behind the attention, in a block.
        feed_forward: the two layers, in a block.
        order: place of queries, keys and values among `attention_inputs`, or in the fused one.
        heads: of the attention.
    """

    image: tuple[int, int, int]
    projection: str
    blocks: tuple[str, ...]
    norms: tuple[str, str]
    attention_inputs: tuple[str, ...]
    attention_output: str
    feed_forward: tuple[str, str]
    order: tuple[int, int, int]
    heads: int

    def first(self, part: str) -> str:
        """Return the full name of a part of the first block."""
        return f"{self.blocks[0]}.{part}"

    @property
    def patches_weight(self) -> str:
        """Name of the weight of the projection of patches."""
        return f"{self.projection}.weight"


def image_shape(model: nn.Module) -> tuple[int, int, int]:
    """Return channels, height and width of the images that a model takes.

    Raises:
        VictimError: it has no convolution, or nothing says how large they are.
    """
    convolutions = [each for each in model.modules() if isinstance(each, nn.Conv2d)]
    found = next(_sizes(model), None)
    if not convolutions or found is None:
        raise VictimError(
            f"the model is a {type(model).__name__} without a convolution or without an image_size "
            "or img_size; expected a vision transformer as in torchvision, transformers or timm."
        )
    height, width = (found, found) if isinstance(found, int) else found
    return convolutions[0].in_channels, int(height), int(width)


def _sizes(model: nn.Module) -> Iterator[Any]:
    """The sizes that the model, its configuration and its modules state."""
    for holder in (model, getattr(model, "config", None), *model.modules()):
        for name in SIZES:
            size = getattr(holder, name, None)
            if isinstance(size, int | tuple | list):
                yield size


def outputs_of(network: nn.Module, images: Tensor) -> Tensor:
    """Return the outputs of a network (b x K), also of one that returns them by name.

    Raises:
        VictimError: it returns no tensor with an image a row.
    """
    value = network(images)
    found = getattr(value, "logits", value)
    rows = [each for each in tensors(found) if each.dim() == 2 and len(each) == len(images)]
    if not rows:
        raise VictimError(
            f"the model, a {type(network).__name__}, returns no outputs of b x K; expected those "
            "of a classifier: attack a model with a head."
        )
    return rows[0]


def example(model: nn.Module, batch: int = 2) -> Tensor:
    """Return images of noise in the model's precision, the same ones always."""
    like = next(model.parameters())
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, *image_shape(model), generator=generator).to(like)
