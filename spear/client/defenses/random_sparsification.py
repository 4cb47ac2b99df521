"""Random sparsification of an update."""

import torch
from torch import Tensor

from spear.client.defenses.compression import UnbiasedCompression, uniform
from spear.client.defenses.sparsification import check_share


class RandomSparsification(UnbiasedCompression):
    """Sparsification at random: each entry is set to 0 by chance, the others are scaled up.

    Entries are left independently of each other with probability 1 - share, and divided by it, so
    that the mean stays (Wangni et al., "Gradient sparsification for communication-efficient
    distributed optimization", NeurIPS 2018, with equal probabilities). An entry g has the variance
    g^2 share / (1 - share): noise as large as the gradient from a share of 1/2 on. But the entries
    left are exact up to a factor that all have in common, and determine the others
    (`attack=spear_pruned`).

    Args:
        share: probability of an entry to be set to 0, in [0, 1).

    Raises:
        ConfigError: the share is not in [0, 1).
    """

    def __init__(self, share: float) -> None:
        check_share(share)
        self.share = share

    def sent(self, value: Tensor, generator: torch.Generator | None) -> Tensor:
        """Implement `UnbiasedCompression`."""
        left = uniform(value, generator) >= self.share
        return value * left / (1 - self.share)

    def deviation(self, value: Tensor) -> Tensor:
        """Return |g| sqrt(share / (1 - share)) of each entry g."""
        return value.abs() * (self.share / (1 - self.share)) ** 0.5

    def implied(self, sent: Tensor) -> float:
        """Return sqrt(share) times the root mean square entry v.

        The mean of v^2 is g^2 / (1 - share), so that share v^2 has the variance as its mean.
        """
        return float((self.share * sent.double().square().mean()).sqrt())
