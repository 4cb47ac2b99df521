"""Gradient sparsification."""

import torch
from torch import Tensor, nn

from spear.client.defenses.base import NoDefense
from spear.data.base import Batch
from spear.errors import ConfigError


def check_share(share: float) -> None:
    """Refuse a share out of range.

    Raises:
        ConfigError: it is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ConfigError(f"share is {share}; expected a share from 0 to below 1.")


class Sparsification(NoDefense):
    """Gradient pruning (Zhu et al., "Deep leakage from gradients", NeurIPS 2019, Section 5).

    In the gradient of each parameter the entries of least magnitude are set to 0.

    Args:
        share: of the entries that are set to 0, in [0, 1); their number is rounded down. Entries
            that are 0 already count: if they are more than the share, nothing changes.

    Raises:
        ConfigError: the share is not in [0, 1).
    """

    def __init__(self, share: float) -> None:
        check_share(share)
        self.share = share

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Implement `Defense`."""
        plain = super().gradient(network, loss, batch, generator)
        return {name: self._pruned(value) for name, value in plain.items()}

    def _pruned(self, value: Tensor) -> Tensor:
        least = value.abs().flatten().topk(int(self.share * value.numel()), largest=False).indices
        return value.flatten().index_fill(0, least, 0.0).view_as(value)
