"""Vision transformers of which patches get no gradient in the first feed-forward block."""

import torch
from torch import nn

from spear.errors import VictimError
from spear.probing import Call, watching
from spear.vision.calls import feed_forward
from spear.vision.layout import example, outputs_of

SILENT = 1e-9
"""Gradient of a patch's feed-forward output, relative to the largest of a token, that is none."""


def check_patches_are_seen(model: nn.Module) -> None:
    """Refuse a model in which patches get no gradient in the first feed-forward block.

    With one encoder layer and a head on the class token, only the class tokens have one there.

    Args:
        model: one whose form is that of `spear.vision.form.traced`.

    Raises:
        VictimError: it is such a model.
    """
    pair = feed_forward(model)
    calls: list[Call] = []
    modules = {"": model.get_submodule(pair.following.name)}
    with torch.enable_grad(), watching(modules, calls.append):
        images = example(model)
        outputs = outputs_of(model, images)
        output = calls[0].output
        if not output.requires_grad:
            return  # frozen, which the missing gradient tells
        (found,) = torch.autograd.grad(outputs.square().sum(), output, allow_unused=True)
    sizes = torch.zeros(1) if found is None else found.detach().flatten(2).norm(dim=2)
    projection = _convolution(model)
    patches = images[0, 0].numel() // projection.kernel_size[0] ** 2
    if sizes.any() and sizes[:, -patches:].max() <= SILENT * sizes.max():
        raise VictimError(
            "the patches get no gradient in the first feed-forward block, as only the class token "
            "is read behind it; expected a second encoder layer or a head on all tokens: attack a "
            "deeper model."
        )


def _convolution(model: nn.Module) -> nn.Conv2d:
    return next(each for each in model.modules() if isinstance(each, nn.Conv2d))
