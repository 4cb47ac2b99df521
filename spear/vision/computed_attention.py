"""Pixels of whole images once more, with the attention computed instead of left open.

The equations of a token leave the output o of its attention unknown in a space of b (N + r)
dimensions (`spear.vision.token_equations`). Of whole images it follows from their pixels, so that

    a v + c 1 = W_e patch + b_e + e_p + W_o o + b_o

has the unknowns a, c and the patch alone, and rounding moves these less. o depends little on what
is still wrong with the pixels. So both are computed in turn, and a few turns settle.
"""

import torch
from torch import Tensor, nn

from spear.vision.first_block import FirstBlock

TURNS, SETTLED = 20, 1e-6
"""Turns at most, and relative change of the pixels at which they end. Each turn changes a tenth of
what the one before did, down to rounding, so that two or three suffice."""

SLOW = 0.5
"""Least change of a turn, relative to that of the turn before, at which turns do not settle."""


def with_attention(block: FirstBlock, patch_rows: Tensor, images: Tensor, states: Tensor) -> Tensor:
    """Return whole images whose pixels explain their tokens with the attention that they have.

    Args:
        block: the first of the model.
        patch_rows: R_0, orthonormal rows that span the patches (r0 x P).
        images: found, without gaps (b x channels x height x width).
        states: inputs of the feed-forward block, at least those of these images (k x d).

    Returns:
        The images, or those given if a turn changes as much as half of what the one before did.
    """
    patches, size = block.grid.cut(images), images.shape
    columns = block.patch_weight @ patch_rows.T
    columns = torch.cat([torch.ones_like(columns[:, :1]), -columns], dim=1)
    left, triangle = torch.linalg.qr(columns)
    fixed = block.offsets[block.prefix :]
    directions = _directions(block, patches, states)
    across = directions - directions @ left @ left.T
    before = torch.inf
    for _ in range(TURNS):
        sides = fixed + _attended(block, patches)[:, block.prefix :]
        scales = (across * sides).sum(dim=2) / across.square().sum(dim=2)
        sides = (sides - scales[:, :, None] * directions) @ left
        unknowns = torch.linalg.solve_triangular(triangle, sides.flatten(0, 1).T, upper=True)
        moved = (unknowns[1:].T @ patch_rows).reshape(patches.shape)
        change = float((moved - patches).norm() / moved.norm())
        if not change < SLOW * before:
            return images
        patches, before = moved, change
        if change < SETTLED:
            break
    return block.grid.joined(patches).reshape(size)


def _directions(block: FirstBlock, patches: Tensor, states: Tensor) -> Tensor:
    """v of each patch's token (b x N x d): of the state nearest to that of the pixels."""
    x = _inputs(block, patches)
    expected = block.before_feed_forward((x + _attended(block, patches)).flatten(0, 1))
    nearest = states[torch.cdist(expected, states).argmin(dim=1)]
    directions = block.before_feed_forward.directions(nearest)
    return directions.reshape(x.shape)[:, block.prefix :]


def _inputs(block: FirstBlock, patches: Tensor) -> Tensor:
    """x of all tokens (b x (r + N) x d)."""
    x = block.offsets.repeat(len(patches), 1, 1)
    x[:, block.prefix :] += patches @ block.patch_weight.T
    return x


def _attended(block: FirstBlock, patches: Tensor) -> Tensor:
    """W_o o + b_o of all tokens (b x (r + N) x d)."""
    x = _inputs(block, patches)
    projected = block.before_attention(x.flatten(0, 1)) @ block.in_weight.T + block.in_bias
    split = projected.reshape(*x.shape[:2], 3, block.heads, -1).permute(2, 0, 3, 1, 4)
    o = nn.functional.scaled_dot_product_attention(*split)
    return o.transpose(1, 2).flatten(2) @ block.out_weight.T + block.out_bias
