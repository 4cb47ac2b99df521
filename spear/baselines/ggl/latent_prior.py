"""The distance of latents from those that a generator was trained on."""

from torch import Tensor


def divergence(latents: Tensor) -> Tensor:
    """KL divergence of N(mean, variance) from N(0, 1), for each latent (b x ...); in nats.

    Mean and variance are those of a latent's entries (GGL, arXiv 2203.15696): 0 if they are 0 and
    1. Constant latents are infinitely far.
    """
    flat = latents.flatten(1)
    variance = flat.var(dim=1, correction=0)
    return (variance + flat.mean(dim=1).square() - 1 - variance.log()) / 2
