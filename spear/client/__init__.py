"""The client: it trains on private batches and shares updates, alone or among others.

`defenses` disguise the gradients that it computes. `risk` forecasts, before anything is shared, how
much a batch is at risk.
"""

from spear.client.aggregation import Aggregation, SingleClient
from spear.client.client import Client
from spear.client.local_adam import LocalAdam, LocalAdamW
from spear.client.local_optimizer import LocalOptimizer, LocalSGD
from spear.client.local_proximal import LocalProximal
from spear.client.local_training import FedAvg, LocalTraining, SingleGradient
from spear.client.mean import SeveralClients, WeightedMean
from spear.client.rounds import Rounds
from spear.client.secure_sum import SecureSum

__all__ = [
    "Aggregation",
    "Client",
    "FedAvg",
    "LocalAdam",
    "LocalAdamW",
    "LocalOptimizer",
    "LocalProximal",
    "LocalSGD",
    "LocalTraining",
    "Rounds",
    "SecureSum",
    "SeveralClients",
    "SingleClient",
    "SingleGradient",
    "WeightedMean",
]
