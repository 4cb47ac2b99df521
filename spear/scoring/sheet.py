"""Pixels of a batch and of its reconstruction in one file, for other figures."""

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

SHOWN = 120
"""Width at which a figure shows an image, in pixels."""


def image_sheet(originals: Tensor, reconstructions: Tensor, path: Path) -> None:
    """Write a PNG of pixels alone, as `sheet_of` returns them.

    Args:
        originals, reconstructions: b x C x H x W in [0, 1], C = 1 or 3, b >= 1.
        path: of the PNG; missing folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet_of(originals, reconstructions).save(path)


def sheet_of(originals: Tensor, reconstructions: Tensor) -> Image.Image:
    """Return a picture with a row of originals above a row of their reconstructions.

    It has 8 bits per colour; large images are averaged down (`thumbnails`).

    Args:
        originals, reconstructions: b x C x H x W in [0, 1], C = 1 or 3, b >= 1.
    """
    rows = [thumbnails(each.cpu().double()) for each in (originals, reconstructions)]
    sheet = torch.cat([torch.cat([*row], dim=2) for row in rows], dim=1)
    pixels = (255 * sheet).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(pixels.squeeze())


def read_sheet(path: Path, b: int) -> tuple[Tensor, Tensor]:
    """Return the originals and the reconstructions of an `image_sheet`.

    Args:
        path: of the PNG.
        b: number of images in a row.

    Returns:
        Two stacks b x C x H x W in [0, 1], float64.
    """
    pixels = np.asarray(Image.open(path), dtype=np.float64) / 255
    sheet = torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1)
    originals, reconstructions = (torch.stack(row.chunk(b, dim=2)) for row in sheet.chunk(2, dim=1))
    return originals, reconstructions


def thumbnails(images: Tensor) -> Tensor:
    """Return images (b x C x H x W) averaged down to about the width at which a figure shows them.

    Smaller images stay as they are. A figure of twenty images at 720 pixels would take gigabytes,
    and picking pixels would alias.
    """
    factor = math.ceil(images.shape[3] / SHOWN)
    return avg_pool2d(images, factor, ceil_mode=True) if factor > 1 else images
