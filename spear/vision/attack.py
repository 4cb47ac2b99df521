"""Images behind the update of a vision transformer, as an attack."""

from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn

from spear.attack import ProgressCallback
from spear.budget import Budget
from spear.domain import Domain
from spear.errors import VictimError
from spear.probing import copied
from spear.reconstruction import Reconstruction
from spear.settings import check_time_limit
from spear.update import Update
from spear.vision.first_block import first_block
from spear.vision.layout import outputs_of
from spear.vision.passes import Passes
from spear.vision.recovery import RecoveredImages, recover
from spear.vision.seen import check_patches_are_seen
from spear.whole_update import WholeUpdateAttack

PROBABLE = 0.01
"""How far a recovered label may lie outside [0, 1]; a scaled update leads further."""


class SpearVit(WholeUpdateAttack):
    """Finds all images of a batch by the linear algebra of a vision transformer's first block.

    Labels, loss and priors are not used; labels are found if the loss is the mean
    cross-entropy, all images differ, and no defense scales the update.
    Derivation: docs/theory/vision-transformers.md.

    Args:
        time_limit: seconds per batch for the search for tokens and the refit; None for no limit.

    Raises:
        ConfigError: the limit is out of range.
    """

    given_labels = False

    def __init__(self, time_limit: float | None = 300.0) -> None:
        check_time_limit(time_limit)
        self.time_limit = time_limit

    def check(self, network: nn.Module, domain: Domain) -> None:
        """Implement `spear.attack.Attack`.

        Raises:
            VictimError: the network is no vision transformer of the form that can be inverted, its
                outputs depend on chance, or its images are not those of the domain.
        """
        super().check(network, domain)
        block = first_block(network)
        grid = block.grid
        shape = grid.channels, grid.rows * grid.side, grid.columns * grid.side
        if tuple(domain.shape) != shape:
            raise VictimError(
                f"the network takes images of shape {shape}, but the domain has "
                f"{tuple(domain.shape)}; give the data set on which it is trained."
            )
        check_patches_are_seen(Passes(network, block.layout).network)

    def __call__(
        self, observation: Update, *, seed: int = 0, progress: ProgressCallback | None = None
    ) -> Reconstruction:
        """Implement `spear.attack.Attack`.

        Images that are whole come first; behind them stand those with gaps, which are 0. `details`
        has tokens and how many of them were found, and of a whole batch the misfit and hidden
        error of its proof (`spear.vision.proof.Evidence`).

        Raises:
            LayerError, InvalidObservation: a gradient of the first block or the head is missing.
        """
        update = observation.copied("cpu")
        found = recover(update.network, update.gradients, Budget(self.time_limit, progress), seed)
        if found.batch_size == 0:
            n = prod(update.domain.shape)
            return Reconstruction.empty(0, n, found.status, found.seconds)
        images = torch.cat([found.images, found.parts]).flatten(1)
        result = Reconstruction.estimate(images, found.seconds, found.status, _details(found))
        labels = _labels(update, found)
        return replace(result, n_directions=len(found.images), labels=labels)


def _details(found: RecoveredImages) -> dict[str, float]:
    details = {"tokens": float(found.tokens), "tokens_found": float(found.tokens_found)}
    if found.evidence is not None:
        details |= {"misfit": found.evidence.misfit, "hidden": found.evidence.hidden}
    return details


def _labels(update: Update, found: RecoveredImages) -> Tensor | None:
    """Class probabilities, by dL/dy = (softmax(y) - labels) / b of a mean cross-entropy."""
    weighted = getattr(update.loss, "weight", None) is not None
    plain = isinstance(update.loss, nn.CrossEntropyLoss) and update.loss.reduction == "mean"
    if not plain or weighted or len(found.images) < found.batch_size:
        return None
    with torch.no_grad():
        outputs = outputs_of(copied(update.network).double().eval(), found.images)
    labels = outputs.softmax(dim=1) - found.batch_size * found.output_gradients
    possible = bool(((labels > -PROBABLE) & (labels < 1 + PROBABLE)).all())
    return labels if possible else None
