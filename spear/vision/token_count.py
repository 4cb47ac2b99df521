"""Number of tokens behind a gradient whose weakest tokens reach down to its rounding.

The rank of the gradient is the number of tokens. If its singular values have no large gap, a small
one counts if whole images end there.
"""

import torch
from torch import Tensor

from spear.inversion.factors.rank import rounding_floor
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.observation import LayerPair
from spear.reconstruction import Status

LEAST_GAP = 3.0
"""Ratio of neighbouring singular values that ends the signal at the end of an image; those of
rounding have less than 1.2, but for the last few."""


def token_problem(pair: LayerPair, tokens: int) -> PairProblem | Status:
    """Decompose the gradients of the first feed-forward block.

    Args:
        pair: its two layers.
        tokens: of an image, N + 1.

    Returns:
        The problem, or the status that says why there is none.
    """
    found = pair_problem(pair)
    if found is not Status.FULL_RANK:
        return found
    count = token_count(pair.first.weight_gradient, tokens)
    return Status.FULL_RANK if count is None else pair_problem(pair, count)


def token_count(gradient: Tensor, tokens: int) -> int | None:
    """Return the multiple of an image's tokens at which the last gap is; None if there is none.

    Args:
        gradient: of the block's first layer (m x d), in the client's precision.
        tokens: of an image, N + 1.
    """
    wide = gradient.detach().double().cpu()
    floor = rounding_floor(wide, gradient.dtype)
    values = torch.linalg.svdvals(wide).clamp(min=floor)
    ends = torch.arange(tokens, len(values), tokens)
    large = ends[values[ends - 1] >= LEAST_GAP * values[ends]]
    return int(large[-1]) if len(large) else None
