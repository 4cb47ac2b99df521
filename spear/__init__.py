"""SPEAR: exact gradient inversion of batches in federated learning (NeurIPS 2024).

`invert` attacks the gradient of one layer with a ReLU, `invert_pair` those of two layers with any
activation between, and `invert_network` picks such a pair among the layers of a network.
`match_gradients` attacks the gradients of a whole network, and `audit` every linear layer of a
model. `Client` computes such gradients from a network and a batch.

`run` runs a job or a sweep of the command, `results` returns all results of a folder as a data
frame, and `reconstructions` those that a job has saved. `table` and `figure` return what
`spear tables` and `spear figures` show.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from spear.analysis.overview.named import figure, table
    from spear.analysis.records.reconstructions import reconstructions
    from spear.analysis.records.results import results
    from spear.experiments.cli.from_python import run

LATER = {
    "figure": "spear.analysis.overview.named",
    "reconstructions": "spear.analysis.records.reconstructions",
    "results": "spear.analysis.records.results",
    "run": "spear.experiments.cli.from_python",
    "table": "spear.analysis.overview.named",
}
"""Functions of the rooms above the library -> modules, imported when they are first asked for.

Hydra and matplotlib take seconds, and an attack needs neither."""

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
    "figure",
    "invert",
    "invert_network",
    "invert_pair",
    "match_gradients",
    "reconstructions",
    "results",
    "run",
    "table",
]


def __getattr__(name: str) -> Any:
    """Import a function of `LATER`."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(LATER[name]), name)
    globals()[name] = found  # `spear/results` is a folder, too
    return found


def __dir__() -> list[str]:
    """Return all names, those that are imported later included."""
    return sorted({*globals(), *LATER})
