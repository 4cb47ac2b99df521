"""Sign of each entry of an update."""

import torch
from torch import Tensor

from spear.client.defenses.compression import Compression


class Signs(Compression):
    """Signs alone, one bit an entry, times the mean magnitude of the parameter's update.

    Bernstein et al. ("signSGD: compressed optimisation for non-convex problems", ICML 2018), with
    the scale of Karimireddy et al. ("Error feedback fixes SignSGD and other gradient compression
    schemes", ICML 2019). Entries that are 0 stay 0.

    It is no noise: the error is about as large as the entry, follows from it, and repeats its
    pattern. The signs of a matrix of rank b have a rank of their own, near full, which says nothing
    of b, and attacks that would read b there refuse it. Given b, what they find is an estimate.
    """

    def compress(
        self, update: dict[str, Tensor], generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        """Implement `Compression`; nothing is drawn from `generator`."""
        return {name: value.sign() * value.abs().mean() for name, value in update.items()}
