"""Interface of a risk forecast, made by a client from its own batch before it shares anything."""

from typing import Protocol

from torch import nn

from spear.data.base import Batch


class RiskForecast(Protocol):
    """Interface of a risk forecast. It needs the batch, so that only the client can make it.

    A new one implements the call and gets one file in `conf/risk/`.
    """

    def __call__(self, network: nn.Module, loss: nn.Module, batch: Batch) -> dict[str, float]:
        """Return the forecast's numbers by name.

        Args:
            network: the one that the client trains. It is not changed.
            loss: maps (outputs, labels) to a scalar.
            batch: the private batch.
        """
        ...


class NoRiskForecast:
    """No forecast, and so no numbers."""

    def __call__(self, network: nn.Module, loss: nn.Module, batch: Batch) -> dict[str, float]:
        """Implement `RiskForecast`."""
        return {}
