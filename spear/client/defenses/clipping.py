"""Gradient clipping."""

import torch
from torch import Tensor, nn

from spear.client.defenses.base import NoDefense
from spear.data.base import Batch
from spear.errors import ConfigError


def clipped(gradient: dict[str, Tensor], max_norm: float) -> dict[str, Tensor]:
    """Return a gradient scaled down to L2 norm `max_norm` if it is longer.

    Args:
        gradient: name of each parameter -> gradient; the norm is of all parameters together.
        max_norm: above 0; infinity for no clipping.
    """
    norm = nn.utils.get_total_norm(list(gradient.values()))
    factor = (max_norm / norm).clamp(max=1.0)
    return {name: value * factor for name, value in gradient.items()}


def check_norm(max_norm: float) -> None:
    """Refuse a norm that nothing can be clipped to.

    Raises:
        ConfigError: it is not above 0.
    """
    if not max_norm > 0:
        raise ConfigError(
            f"max_norm is {max_norm}; expected a norm above 0, or infinity (.inf in a "
            "configuration) for no clipping."
        )


class Clipping(NoDefense):
    """Clipping: the gradient of the whole batch, scaled down to L2 norm C if it is longer.

    Only its length changes: attacks that compare directions see no difference. DP-SGD clips each
    example's gradient by itself (`spear.client.defenses.dpsgd`).

    Args:
        max_norm: C, above 0; infinity for no clipping.

    Raises:
        ConfigError: C is not above 0.
    """

    def __init__(self, max_norm: float) -> None:
        check_norm(max_norm)
        self.max_norm = max_norm

    def gradient(
        self,
        network: nn.Module,
        loss: nn.Module,
        batch: Batch,
        generator: torch.Generator | None,
    ) -> dict[str, Tensor]:
        """Implement `Defense`."""
        return clipped(super().gradient(network, loss, batch, generator), self.max_norm)
