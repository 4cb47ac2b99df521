"""The ball within which features may move."""

import torch
from torch import Tensor


def project(points: Tensor, radius: float) -> Tensor:
    """The nearest points (b x ...) whose entries' magnitudes sum to at most `radius` per example.

    Exact, by sorting (Duchi et al., "Efficient projections onto the l1-ball", ICML 2008, Figure 1):
    magnitudes are lowered by the one threshold at which they sum to the radius.
    """
    flat = points.flatten(1)
    magnitudes = flat.abs()
    descending = magnitudes.sort(dim=1, descending=True).values
    counts = torch.arange(1, flat.shape[1] + 1, dtype=flat.dtype, device=flat.device)
    thresholds = (descending.cumsum(dim=1) - radius) / counts
    # As many entries stay above 0 as are larger than the threshold that they would have alone.
    kept = (descending > thresholds).sum(dim=1, keepdim=True).clamp(min=1)
    threshold = thresholds.gather(1, kept - 1).clamp(min=0.0)
    return (flat.sign() * (magnitudes - threshold).clamp(min=0.0)).view_as(points)
