"""SPEAR: exact gradient inversion of batches in federated learning (NeurIPS 2024).

`invert` attacks the gradient of one layer, `match_gradients` the gradients of a whole network, and
`audit` every linear layer of a model. `Client` computes such gradients from a network and a batch.
"""

from spear.api import invert, match_gradients
from spear.auditing.run import audit
from spear.baselines.gradient_matching.attack import GradientMatching
from spear.client.client import Client
from spear.data import Batch
from spear.domain import Domain
from spear.errors import SpearError
from spear.inversion import Spear, SpearInput, SpearIrls
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.update import Update
from spear.version import __version__

__all__ = [
    "Batch",
    "Client",
    "Domain",
    "GradientMatching",
    "Observation",
    "Reconstruction",
    "Spear",
    "SpearError",
    "SpearInput",
    "SpearIrls",
    "Status",
    "Update",
    "__version__",
    "audit",
    "invert",
    "match_gradients",
]
