"""Images put together from tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor

from spear.vision.first_block import FirstBlock
from spear.vision.joining import Group, join
from spear.vision.membership import links
from spear.vision.pixels import Tokens


def whole_images(block: FirstBlock, tokens: Tokens, batch: int) -> Tensor:
    """Return the images of which every patch is known (b' x channels x height x width).

    Args:
        block: the first of the model.
        tokens: those found.
        batch: b, images that there are.
    """
    groups = join(links(block, tokens, batch), tokens.placed.positions)
    places = range(1, block.grid.patches + 1)
    whole = [each for each in groups if all(place in each.members for place in places)]
    return block.grid.joined(_patches(whole[:batch], tokens, places))


def _patches(groups: Sequence[Group], tokens: Tokens, places: range) -> Tensor:
    members = [[each.members[place] for place in places] for each in groups]
    chosen = torch.tensor(members, dtype=torch.long).reshape(len(groups), len(places))
    return tokens.patches[chosen]
