"""Row spaces of the first block's gradients: they hold what entered each linear layer.

The gradient of a linear layer is a sum of (dL/dz) x^T over the tokens. So its rows span the inputs
x of all tokens, which are patches, layer norm outputs or attention outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.errors import InvalidObservation
from spear.vision.first_block import FirstBlock


@dataclass(frozen=True)
class SharedRows:
    """Spaces that the gradients of the first block span, in orthonormal rows.

    Attributes:
        patches: R_0, of the patches (min(b N, P) x P).
        attended: R_o, of the attention outputs before their projection (T x d).
        excluded: K, of what no output of the first layer norm contains ((d - b N - r) x d).
    """

    patches: Tensor
    attended: Tensor
    excluded: Tensor


def shared_rows(gradients: Mapping[str, Tensor], block: FirstBlock, batch: int) -> SharedRows:
    """Return what the gradients of the first block span.

    Args:
        gradients: of the whole model, by name.
        block: the model's first.
        batch: b, images. If images or patches are equal the spaces are smaller, and have noise in
            the rest: unknowns more, or equations less, but nothing wrong.

    Raises:
        InvalidObservation: one of the three gradients is missing.
    """
    tokens = batch * block.grid.patches
    attended = min(batch * block.tokens, block.width)
    known = min(tokens + block.prefix, block.width)  # those without a patch are equal here
    layout = block.layout
    normalised = [layout.first(each) for each in layout.attention_inputs]
    return SharedRows(
        patches=_rows(gradients, [layout.patches_weight])[: min(tokens, block.grid.numbers)],
        attended=_rows(gradients, [layout.first(layout.attention_output)])[:attended],
        excluded=_rows(gradients, normalised)[known:],
    )


def _rows(gradients: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    """Right singular vectors of gradients, of the largest singular values first (n x n)."""
    for name in names:
        if name not in gradients:
            raise InvalidObservation(
                f"{name} has no gradient, as it is frozen or not shared; expected the gradients of "
                "the whole first block: attack a model that is trained from its patches on."
            )
    gradient = torch.cat([gradients[name].detach().double().cpu().flatten(1) for name in names])
    rows, n = gradient.shape
    return torch.linalg.svd(gradient, full_matrices=rows < n).Vh
