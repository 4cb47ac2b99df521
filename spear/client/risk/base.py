"""What a client can foresee of an attack from its own batch, before it shares anything."""

from typing import Protocol

from torch import nn

from spear.data.base import Batch


class RiskForecast(Protocol):
    """Says how much a batch is at risk. It needs the batch, and so only its client can make it.

    A new one implements the call and gets one file in `conf/risk/`.
    """

    def __call__(self, network: nn.Module, loss: nn.Module, batch: Batch) -> dict[str, float]:
        """Numbers by name; leaves `network` as it was."""
        ...


class NoRiskForecast:
    """Nothing is foreseen."""

    def __call__(self, network: nn.Module, loss: nn.Module, batch: Batch) -> dict[str, float]:
        """Implement `RiskForecast`."""
        return {}
