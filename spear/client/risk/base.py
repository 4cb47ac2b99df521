"""Interface of a risk forecast, made by a client from its own batch before it shares anything."""

from collections.abc import Mapping
from typing import Protocol

from torch import nn

from spear.data.base import Batch
from spear.errors import ConfigError


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


class Together:
    """Several forecasts of one batch.

    Args:
        forecasts: by name.
    """

    def __init__(self, forecasts: Mapping[str, RiskForecast]) -> None:
        self.forecasts = dict(forecasts)

    def __call__(self, network: nn.Module, loss: nn.Module, batch: Batch) -> dict[str, float]:
        """Implement `RiskForecast`.

        Returns:
            The numbers of all forecasts.

        Raises:
            ConfigError: two forecasts have a number of the same name.
        """
        numbers: dict[str, float] = {}
        for name, forecast in self.forecasts.items():
            own = forecast(network, loss, batch)
            if own.keys() & numbers.keys():
                taken = min(own.keys() & numbers.keys())
                raise ConfigError(
                    f"forecasts.{name} has a number {taken!r}, which another forecast has already; "
                    "leave one of them out."
                )
            numbers |= own
        return numbers
