"""SPEAR: exact gradient inversion of batches in federated learning (NeurIPS 2024).

`invert` attacks the gradient of one layer with a ReLU, `invert_pair` those of two layers with any
activation between, and `invert_network` picks such a pair among the layers of a network.
`match_gradients` attacks the gradients of a whole network, and `audit` every linear layer of a
model. `Client` computes such gradients from a network and a batch.
"""

from spear.api import invert, invert_network, invert_pair, match_gradients
from spear.auditing.run import audit
from spear.baselines.gradient_matching.attack import GradientMatching
from spear.client.client import Client
from spear.data import Batch
from spear.domain import Domain
from spear.errors import SpearError
from spear.inversion import Spear, SpearInput, SpearIrls, SpearNetwork, SpearPair
from spear.observation import LayerPair, Observation
from spear.reconstruction import Reconstruction, Status
from spear.update import Update
from spear.version import __version__

__all__ = [
    "Batch",
    "Client",
    "Domain",
    "GradientMatching",
    "LayerPair",
    "Observation",
    "Reconstruction",
    "Spear",
    "SpearError",
    "SpearInput",
    "SpearIrls",
    "SpearNetwork",
    "SpearPair",
    "Status",
    "Update",
    "__version__",
    "audit",
    "invert",
    "invert_network",
    "invert_pair",
    "match_gradients",
]
