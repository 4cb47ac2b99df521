"""Total variation, the smoothness prior for images."""

from torch import Tensor


def total_variation(images: Tensor) -> Tensor:
    """mean |dx| + mean |dy| of neighbouring pixels of images (b x C x H x W)."""
    beside = images.diff(dim=3).abs().mean()
    below = images.diff(dim=2).abs().mean()
    return beside + below
