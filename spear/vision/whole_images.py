"""Images put together from tokens."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.vision.first_block import FirstBlock
from spear.vision.joining import Group, join
from spear.vision.membership import PRECISION, links
from spear.vision.pixels import Tokens


@dataclass(frozen=True)
class Puzzle:
    """Images put together, the most complete first.

    Attributes:
        images: b x channels x height x width, 0 where a patch is missing.
        known: marks the patches that are there (b x N).
    """

    images: Tensor
    known: Tensor

    @property
    def whole(self) -> int:
        """Number of images without a gap, which come first."""
        return int(self.known.all(dim=1).sum())


PRECISIONS = (PRECISION, 1e-4, 1e-5, 1e-6)
"""Relative errors of tokens by which images are joined, one after the other until all are whole. In
a trained model a token may hardly attend to the rest of its image."""


def put_together(block: FirstBlock, tokens: Tokens, batch: int) -> Puzzle:
    """Return the images of a batch as far as their patches are known.

    Args:
        block: the first of the model.
        tokens: those found.
        batch: b, images that there are.
    """
    grid = block.grid
    patches = tokens.patches.new_zeros(batch, grid.patches, grid.numbers)
    known = torch.zeros(batch, grid.patches, dtype=torch.bool)
    groups = _joined(block, tokens, batch)
    members = [
        {place: token for place, token in each.members.items() if place >= block.prefix}
        for each in groups
    ]
    members.sort(key=lambda each: -len(each))
    for image, each in enumerate(members[:batch]):
        places = torch.tensor(list(each), dtype=torch.long) - block.prefix
        patches[image, places] = tokens.patches[list(each.values())]
        known[image, places] = True
    return Puzzle(grid.joined(patches), known)


def _joined(block: FirstBlock, tokens: Tokens, batch: int) -> list[Group]:
    """Groups of tokens of one image: what is certain first, then what fits the best."""
    groups: list[Group] = []
    for precision in PRECISIONS:
        evidence = links(block, tokens, batch, precision)
        groups = join(evidence, tokens.placed.positions, groups)
        patches = [sum(place >= block.prefix for place in each.members) for each in groups]
        if sum(count == block.grid.patches for count in patches) >= batch:
            break
    return groups
