"""Images that an update of a vision transformer gives away."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spear.auditing.outcome import SeenImages
from spear.budget import Budget
from spear.errors import SpearError, VictimError
from spear.vision.first_block import FirstBlock, first_block
from spear.vision.limits import most_images
from spear.vision.recovery import recover


def seen_images(
    model: nn.Module, gradients: Mapping[str, Tensor], budget: float, seed: int
) -> SeenImages | None:
    """Return the images behind an update of a vision transformer; None of another model.

    Args:
        model: as it was when the client began.
        gradients: of its parameters by name.
        budget: seconds for the search for tokens and the refit.
        seed: of the search.
    """
    try:
        block = first_block(model)
    except VictimError:
        return None
    most = most_by_counting(block)
    try:
        found = recover(model, gradients, Budget(budget), seed)
    except SpearError as error:
        none = torch.zeros(0, block.grid.channels, 1, 1)
        return SeenImages(none, 0, 0, most, "", obstacle=str(error).rstrip("."))
    return SeenImages(
        images=torch.cat([found.images, found.parts]),
        whole=len(found.images),
        batch_size=found.batch_size,
        most=most,
        status=str(found.status),
        seconds=found.seconds,
    )


def most_by_counting(block: FirstBlock) -> int:
    """Return the largest batch that the equations of a first block tell."""
    grid = block.grid
    return most_images(block.width, grid.patches, grid.numbers, block.prefix)
