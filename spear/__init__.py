"""SPEAR: exact gradient inversion of batches in federated learning (NeurIPS 2024).

`invert` attacks the gradient of one layer with a ReLU, `invert_pair` those of two layers with any
activation between, and `invert_network` picks such a pair among the layers of a network.
`invert_block` attacks a feed-forward block of a transformer. `recover_text` reads the tokens behind
the gradient of a language model (`tokens_in_span` is DAGER's test, its baseline), and
`recover_images` the images behind that of a vision transformer.
`match_gradients` attacks the gradients of a whole network, and `audit` every linear layer of a
model. `Client` computes such gradients from a network and a batch.

`run` runs a job or a sweep of the command, `results` returns all results of a folder as a data
frame, and `reconstructions` those that a job has saved. `table` and `figure` return what
`spear tables` and `spear figures` show.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spear.errors import SpearError
from spear.version import __version__

if TYPE_CHECKING:
    from spear.analysis.overview.named import figure, table
    from spear.analysis.records.reconstructions import reconstructions
    from spear.analysis.records.results import results
    from spear.api.layers import invert, invert_pair
    from spear.api.networks import invert_network, match_gradients
    from spear.api.transformers import (
        invert_block,
        recover_images,
        recover_text,
        tokens_in_span,
    )
    from spear.auditing.run import audit
    from spear.baselines.gradient_matching.attack import GradientMatching
    from spear.client.client import Client
    from spear.data.base import Batch
    from spear.domain import Domain
    from spear.experiments.cli.from_python import run
    from spear.inversion.descent.attack import SpearIrls
    from spear.inversion.inputs.attack import SpearInput
    from spear.inversion.network.attack import SpearNetwork
    from spear.inversion.pair.attack import SpearPair
    from spear.inversion.sampling.attack import Spear
    from spear.observation import LayerPair, Observation
    from spear.reconstruction import Reconstruction, Status
    from spear.update import Update

LATER = {
    "Batch": "spear.data.base",
    "Client": "spear.client.client",
    "Domain": "spear.domain",
    "GradientMatching": "spear.baselines.gradient_matching.attack",
    "LayerPair": "spear.observation",
    "Observation": "spear.observation",
    "Reconstruction": "spear.reconstruction",
    "Spear": "spear.inversion.sampling.attack",
    "SpearInput": "spear.inversion.inputs.attack",
    "SpearIrls": "spear.inversion.descent.attack",
    "SpearNetwork": "spear.inversion.network.attack",
    "SpearPair": "spear.inversion.pair.attack",
    "Status": "spear.reconstruction",
    "Update": "spear.update",
    "audit": "spear.auditing.run",
    "figure": "spear.analysis.overview.named",
    "invert": "spear.api.layers",
    "invert_block": "spear.api.transformers",
    "invert_network": "spear.api.networks",
    "invert_pair": "spear.api.layers",
    "match_gradients": "spear.api.networks",
    "recover_images": "spear.api.transformers",
    "recover_text": "spear.api.transformers",
    "reconstructions": "spear.analysis.records.reconstructions",
    "results": "spear.analysis.records.results",
    "run": "spear.experiments.cli.from_python",
    "table": "spear.analysis.overview.named",
    "tokens_in_span": "spear.api.transformers",
}
"""Names -> modules, imported when they are first asked for.

PyTorch, Hydra and matplotlib take seconds: only who uses them waits."""

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
    "invert_block",
    "invert_network",
    "invert_pair",
    "match_gradients",
    "reconstructions",
    "recover_images",
    "recover_text",
    "results",
    "run",
    "table",
    "tokens_in_span",
]


def __getattr__(name: str) -> Any:
    """Import a name of `LATER`, or a module of the package."""
    if name in LATER:
        found = getattr(import_module(LATER[name]), name)
    else:
        try:
            found = import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    globals()[name] = found  # `spear/results` is a folder, too
    return found


def __dir__() -> list[str]:
    """Return all names, those that are imported later included."""
    return sorted({*globals(), *LATER})
