"""Pixels of each token's patch, and what its attention gave: least squares at its position.

The scale a is known from the test of the position, and it is that of the least squares solution.
What remains is z = H^+ (g_p - a [v; 0]), one product for the whole batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.vision.first_block import FirstBlock
from spear.vision.positions import Placed
from spear.vision.token_equations import TokenEquations


@dataclass(frozen=True)
class Tokens:
    """Tokens of the first block, a row each.

    Attributes:
        placed: their positions.
        patches: pixels in the units of the network's inputs (k x P); 0 for tokens without one.
        inputs: x, what enters the block (k x d).
        attended: o, outputs of the attention before their projection (k x d).
    """

    placed: Placed
    patches: Tensor
    inputs: Tensor
    attended: Tensor


def solve_tokens(
    block: FirstBlock, directions: Tensor, placed: Placed, systems: Sequence[TokenEquations]
) -> Tokens:
    """Return pixels and attention outputs of tokens.

    Args:
        block: the first of the model.
        directions: v, a row a token (k x d).
        placed: their positions.
        systems: equations of these positions.
    """
    patches = directions.new_zeros(len(directions), block.grid.numbers)
    attended = torch.zeros_like(directions)
    for system in systems:
        for place, constants in zip(system.positions.tolist(), system.constants, strict=True):
            here = placed.positions == place
            sides = constants.expand(int(here.sum()), -1).clone()
            sides[:, : block.width] -= placed.scales[here, None] * directions[here]
            unknowns = sides @ system.solver.T
            patches[here] = unknowns[:, system.patch] @ system.rows.patches[: _size(system.patch)]
            attended[here] = unknowns[:, system.attended] @ system.rows.attended
    inputs = block.offsets[placed.positions] + patches @ block.patch_weight.T
    return Tokens(placed, patches, inputs, attended)


def _size(part: slice) -> int:
    return int(part.stop) - int(part.start)
