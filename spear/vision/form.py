"""Form of a vision transformer whose first block can be inverted, found by tracing it.

The model runs once on images of noise and once on black ones, in float64. The calls of its modules
give the parts of its first block by what they receive and return: names play no role. Each
equation of `spear.vision.first_block` is then compared with what the model computed.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear.errors import VictimError
from spear.pairs import Pair
from spear.probing import copied
from spear.vision.attention_form import EQUAL, attention_form
from spear.vision.calls import BlockCalls, block_calls, feed_forward
from spear.vision.layout import Layout, example, image_shape


@dataclass(frozen=True)
class Traced:
    """A vision transformer's first block, as its calls on examples show it.

    Attributes:
        layout: names of its parts.
        offsets: part of x that does not depend on the patch ((r + N) x d), r tokens without one
            first.
        scale: LayerScale behind the attention (d); 1 if there is none.
    """

    layout: Layout
    offsets: Tensor
    scale: Tensor


def traced(model: nn.Module) -> Traced:
    """Return the first block of a vision transformer as tracing finds it.

    Args:
        model: any module; it is not changed.

    Raises:
        VictimError: it has another form.
    """
    image_shape(model)
    network = copied(model).to("cpu", torch.float64).eval()
    images = example(network)
    pair = feed_forward(model)
    with torch.no_grad():
        run, black = (block_calls(network, each, pair) for each in (images, 0 * images))
        offsets = black.norms[0].inputs[0]
        _check_patches(run, images, offsets)
        scale = _scale(run)
        order, heads = attention_form(run)
    return Traced(_layout(network, pair, run, order, heads), offsets, scale)


def _check_patches(run: BlockCalls, images: Tensor, offsets: Tensor) -> None:
    """Check that x = W_e patch + offset, the patches being the last tokens, row after row."""
    projection: Any = run.projection.module
    side = projection.kernel_size[0]
    height, width = images.shape[2:]
    if height % side or width % side:
        raise VictimError(
            f"images of {height} x {width} pixels are not covered by patches of {side}; expected "
            "sides that are multiples of it: choose a model whose patches see all pixels."
        )
    cut = nn.functional.unfold(images, side, stride=side).mT
    x = run.norms[0].inputs
    expected = offsets.expand_as(x).clone()
    if x.dim() == 3 and x.shape[1] >= cut.shape[1]:
        expected[:, -cut.shape[1] :] += cut @ projection.weight.flatten(1).T
    if x.dim() != 3 or not _equal(x, expected):
        raise VictimError(
            f"what enters {run.norms[0].name} is not W_e patch + constant for a token each patch; "
            "expected it, without a norm or further layers behind the projection (as Swin, CLIP "
            "and convolutional stems have them): attack another model."
        )


def _scale(run: BlockCalls) -> Tensor:
    """LayerScale between the attention and the sum that the second norm receives."""
    added = (run.norms[1].inputs - run.norms[0].inputs).flatten(0, 1)
    given = run.attended.flatten(0, -2)
    if given.shape == added.shape:
        scale = (added * given).sum(dim=0) / given.square().sum(dim=0)
        if _equal(added, given * scale):
            return torch.where((scale - 1).abs() < EQUAL, 1.0, scale)
    raise VictimError(
        f"{run.norms[1].name} does not receive x + scale * attention; expected a pre-norm block "
        "with one attention over all tokens: attack another model."
    )


def _layout(
    network: nn.Module, pair: Pair, run: BlockCalls, order: tuple[int, int, int], heads: int
) -> Layout:
    first, second = run.norms
    if isinstance(run.output.module, nn.MultiheadAttention):
        inputs = [f"{run.output.name}.in_proj_weight"]
        output = f"{run.output.name}.out_proj.weight"
    else:
        inputs = [f"{each.name}.weight" for each in run.inputs]
        output = f"{run.output.name}.weight"
    names = [first.name, second.name, *inputs, output, pair.first.name, pair.following.name]
    block = _common(names)
    short = [each.removeprefix(f"{block}.") for each in names]
    parent, _, _ = block.rpartition(".")
    kind = type(network.get_submodule(block))
    children = network.get_submodule(parent).named_children()
    blocks = [f"{parent}.{name}".strip(".") for name, each in children if type(each) is kind]
    return Layout(
        image=image_shape(network),
        projection=run.projection.name,
        blocks=tuple(blocks),
        norms=(short[0], short[1]),
        attention_inputs=tuple(short[2 : 2 + len(inputs)]),
        attention_output=short[-3],
        feed_forward=(short[-2], short[-1]),
        order=order,
        heads=heads,
    )


def _common(names: list[str]) -> str:
    """The longest dotted name that all begin with."""
    parts = [each.split(".") for each in names]
    shared = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return ".".join(shared)


def _equal(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).norm() <= EQUAL * other.norm())
