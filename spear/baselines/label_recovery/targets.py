"""The recovered label and feature of a single sample as pieces of gradient matching."""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from spear.baselines.gradient_matching.labels import Targets
from spear.baselines.gradient_matching.regularisers import Term
from spear.baselines.label_recovery.attack import LabelRecovery, LastLayerAttack, recovered
from spear.inversion.labels.last_layer import check_last_layer
from spear.update import Update


class RecoveredLabels:
    """The server recovers the label of a single sample, hard or soft, from the last layer.

    The loss must be the mean cross-entropy.

    Args:
        recovery: the method; `LabelRecovery` unless given.
    """

    given = False

    def __init__(self, recovery: LastLayerAttack | None = None) -> None:
        self.recovery = recovery or LabelRecovery()

    def start(self, update: Update, outputs: Tensor, generator: torch.Generator) -> Targets:
        """Implement `Labels`.

        Raises:
            SpearError: see `LastLayer.of`.
            InvalidObservation: the gradient is that of several samples, or zero.
        """
        label = recovered(self.recovery, update).label.to(outputs)[None]
        return Targets(1, [], lambda: label)


class RecoveredFeatureDistance:
    """weight times 1 - cos between the last linear layer's input and the recovered one.

    For a single sample, whose feature comes with its label
    (`spear.baselines.label_recovery.attack`), so that neither a bias nor a label is needed. The
    feature term of Wang et al. (ICLR 2024, arXiv 2402.03124) beside a cosine distance of gradients.

    Args:
        weight: of the term; theirs is 1 or 2.
        recovery: of the feature; `LabelRecovery` unless given.
    """

    needs_labels = False

    def __init__(self, weight: float = 1.0, recovery: LastLayerAttack | None = None) -> None:
        self.weight = weight
        self.recovery = recovery or LabelRecovery()

    def prepare(self, update: Update) -> Term:
        """Implement `Regulariser`.

        Raises:
            SpearError: see `spear.inversion.labels.last_layer.LastLayer.of`.
            InvalidObservation: the gradient is that of several samples, or zero.
        """
        name = check_last_layer(update.layers).name
        target = recovered(self.recovery, update).feature.to(update.gradients[f"{name}.weight"])[
            None
        ]
        return lambda evaluation: (
            self.weight * (1 - cosine_similarity(evaluation.layer_inputs[name], target)).mean()
        )
