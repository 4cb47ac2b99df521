"""The client: it trains on private batches and shares updates.

`defenses` disguise the gradients that it computes. `risk` forecasts, before anything is shared, how
much a batch is at risk.
"""

from spear.client.client import Client
from spear.client.local_training import FedAvg, LocalTraining, SingleGradient

__all__ = ["Client", "FedAvg", "LocalTraining", "SingleGradient"]
