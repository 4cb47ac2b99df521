"""The client: it trains on private batches and shares updates.

`defenses` disguise the gradients that it computes, `risk` is what it can foresee of an attack.
"""

from spear.client.client import Client
from spear.client.local_training import FedAvg, LocalTraining, SingleGradient

__all__ = ["Client", "FedAvg", "LocalTraining", "SingleGradient"]
