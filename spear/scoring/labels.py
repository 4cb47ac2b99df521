"""Labels that an attack recovered with the inputs."""

import math
from collections.abc import Mapping

import torch

from spear.data.augmentation import class_probabilities
from spear.scoring.matched import Matched, in_float64
from spear.scoring.metric import Metric, Value

LABEL_EXACT = 1e-3
"""L1 error below which a recovered label counts as exact."""


class Labels(Metric):
    """Class probabilities of each input; NaN for an attack that recovers none.

    - `label_accuracy`: share of the labels whose most probable class is right.
    - `labels_exact`: share of the labels whose L1 error is less than `LABEL_EXACT`.
    - `label_l1`, `label_l2`: mean sum of absolute errors, and mean length of the error.

    The label of an input that was missed counts as wrong, with zero probabilities.
    """

    names = ("label_accuracy", "labels_exact", "label_l1", "label_l2")

    def __call__(self, matched: Matched) -> Mapping[str, Value]:
        """Compare each label with that of the input that it belongs to."""
        found = matched.reconstruction.labels
        if found is None:
            return dict.fromkeys(self.names, math.nan)
        ours = matched.ordered(found)
        truth = in_float64(class_probabilities(matched.truth.labels, found.shape[1]))
        right = (ours.argmax(dim=1) == truth.argmax(dim=1)) & (matched.order >= 0)
        error = ours - truth
        l1 = error.abs().sum(dim=1)
        return {
            "label_accuracy": right.double().mean().item(),
            "labels_exact": (l1 < LABEL_EXACT).double().mean().item(),
            "label_l1": l1.mean().item(),
            "label_l2": torch.linalg.vector_norm(error, dim=1).mean().item(),
        }
