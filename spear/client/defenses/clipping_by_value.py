"""Clipping of each entry of a gradient."""

import torch
from torch import Tensor, nn

from spear.client.defenses.base import NoDefense
from spear.data.base import Batch
from spear.settings import check_above_zero


class ClippingByValue(NoDefense):
    """Clipping by value: each entry of the gradient is clipped to [-limit, limit].

    `torch.nn.utils.clip_grad_value_` does this. Nothing changes if no entry is beyond. Else the
    low rank is lost. Entries at the limit say that they are at least as large, the others are
    exact and determine them as those left by pruning do (`attack=spear_clipped`).

    Args:
        limit: above 0, on the scale of a gradient entry.

    Raises:
        ConfigError: the limit is not above 0.
    """

    def __init__(self, limit: float) -> None:
        check_above_zero(limit=limit)
        self.limit = limit

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Implement `Defense`."""
        plain = super().gradient(network, loss, batch, generator)
        return {name: value.clamp(-self.limit, self.limit) for name, value in plain.items()}
