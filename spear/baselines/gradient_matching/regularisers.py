"""Terms added to the distance: knowledge about images, or about the network's last layer."""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from spear.baselines.gradient_matching.total_variation import total_variation
from spear.baselines.gradient_matching.victim import Evaluation
from spear.domain import Domain
from spear.errors import InvalidObservation, VictimError
from spear.update import Update

Term = Callable[[Evaluation], Tensor]
"""From a candidate to a differentiable scalar."""


class Regulariser(Protocol):
    """A term of the objective that does not compare gradients.

    A new regulariser is a class with these members, named in a file of `conf/attack/`.
    """

    @property
    def needs_labels(self) -> bool:
        """Return whether it uses the batch's labels."""
        ...

    def prepare(self, update: Update) -> Term:
        """The term for one update, whose tensors are where the attack computes.

        Raises:
            SpearError: the update lacks something the term needs.
        """
        ...


class TotalVariation:
    """weight times the mean of sqrt((|dx| + eps)^2 + (|dy| + eps)^2) over pixels and channels.

    dx, dy are differences to the next pixel, and to 0 beyond the last row and column. If there are
    three channels, their differences (R - G, R - B, G - B) count as three more, as in the
    authors' "modern" variant of Geiping et al. (2020). Units are those that the network receives.

    Args:
        weight: of the term.
        eps: keeps the root differentiable.
    """

    needs_labels = False

    def __init__(self, weight: float = 0.1, eps: float = 1e-8) -> None:
        self.weight = weight
        self.eps = eps

    def prepare(self, update: Update) -> Term:
        """Implement `Regulariser`.

        Raises:
            InvalidObservation: inputs are not images.
        """
        check_images(update.domain)
        return lambda evaluation: self.weight * self._mean(evaluation.inputs)

    def _mean(self, images: Tensor) -> Tensor:
        channels = _with_differences(images) if images.shape[1] == 3 else images
        beside = (pad(channels, (0, 1))[..., 1:] - channels).abs() + self.eps
        below = (pad(channels, (0, 0, 0, 1))[..., 1:, :] - channels).abs() + self.eps
        return (beside.square() + below.square()).sqrt().mean()


def _with_differences(images: Tensor) -> Tensor:
    """R, G, B, R - G, R - B, G - B."""
    red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
    return torch.cat([images, red - green, red - blue, green - blue], dim=1)


class AbsoluteVariation:
    """weight times mean |dx| + mean |dy|, differences between neighbouring pixels of a channel.

    The total variation of GIFD (arXiv 2308.04699). Units are those that the network receives.

    Args:
        weight: of the term.
    """

    needs_labels = False

    def __init__(self, weight: float = 1e-4) -> None:
        self.weight = weight

    def prepare(self, update: Update) -> Term:
        """Implement `Regulariser`.

        Raises:
            InvalidObservation: inputs are not images.
        """
        check_images(update.domain)
        return lambda evaluation: self.weight * total_variation(evaluation.inputs)


def check_terms(regularisers: Mapping[str, Regulariser], domain: Domain) -> None:
    """Refuse, before any batch, terms for images if the network's inputs are none.

    Raises:
        InvalidObservation: giving their shape.
    """
    for each in regularisers.values():
        if isinstance(each, TotalVariation | AbsoluteVariation):
            check_images(domain)


def check_images(domain: Domain) -> None:
    """Refuse a network whose inputs are not images.

    Raises:
        InvalidObservation: giving their shape.
    """
    shape = domain.shape
    if len(shape) != 3:
        raise InvalidObservation(
            f"the network's inputs have shape {shape}, but total variation is for images of "
            "shape C x H x W; leave the regulariser total_variation out."
        )


class FeatureDistance:
    """weight times the mean squared error of the last linear layer's inputs.

    For a single example of class y, the input of that layer is row y of its weight gradient
    divided by entry y of its bias gradient (Theorem 3.5 for b = 1). Every example of the class is
    drawn to it, or to 0 if the entry is 0. A soft label counts as its most probable class. The
    "features" term of the authors' "modern" variant of Geiping et al. (2020).

    Args:
        weight: of the term.
    """

    needs_labels = True

    def __init__(self, weight: float = 0.1) -> None:
        self.weight = weight

    def prepare(self, update: Update) -> Term:
        """Implement `Regulariser`.

        Raises:
            VictimError: the network has no linear layer, or the last one is not trained.
        """
        layers = update.layers
        name = layers[-1].name if layers else ""
        if not {f"{name}.weight", f"{name}.bias"} <= update.gradients.keys():
            raise VictimError(
                "the network shares no gradient of the weight and bias of a last linear layer, "
                "which the feature term needs; leave the regulariser features out."
            )
        assert update.labels is not None  # `needs_labels`
        classes = update.labels.argmax(dim=1) if update.labels.ndim > 1 else update.labels
        rows = update.gradients[f"{name}.weight"][classes]
        entries = update.gradients[f"{name}.bias"][classes, None]
        features = torch.where(entries == 0, 0.0, rows / entries)
        return lambda evaluation: (
            self.weight * (evaluation.layer_inputs[name] - features).square().mean()
        )
