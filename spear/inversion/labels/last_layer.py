"""The last linear layer of a classifier, whose outputs are the logits, and its trace of labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor, nn

from spear.errors import InvalidObservation, LayerError, VictimError
from spear.inversion.factors.factorization import decompose
from spear.layers import LinearLayer
from spear.reconstruction import Status
from spear.tracing.neighbours import described
from spear.update import Update, check_update
from spear.validation import check_finite


@dataclass(frozen=True)
class LastLayer:
    """Parameters and gradients of the layer z = W x + b that makes the K logits.

    The loss is the mean cross-entropy of softmax(z) = p and a label y of sum 1, hard or soft, so
    that dL/dz = p - y for a single sample, and dL/dW = (p - y) x^T.

    Attributes:
        weight: W (K x n).
        bias: b (K); None for a layer without a bias.
        weight_gradient: dL/dW (K x n).
        bias_gradient: dL/db (K); None if the layer has no bias, or a frozen one.
    """

    weight: Tensor
    bias: Tensor | None
    weight_gradient: Tensor
    bias_gradient: Tensor | None

    @classmethod
    def of(cls, update: Update) -> "LastLayer":
        """The part of an update that belongs to the last layer.

        Raises:
            LayerError: as of `check_last_layer`, or its weight is frozen.
            VictimError: the loss is not the mean cross-entropy.
            InvalidObservation: it is no update, or the gradient is not finite.
        """
        check_update(update)
        layer = check_last_layer(update.layers)
        check_mean_cross_entropy(update.loss)
        gradient = update.gradients.get(f"{layer.name}.weight")
        if gradient is None:
            raise LayerError(
                f"the weight of the last layer ({layer.name}) is frozen, so that the client shares "
                "no update of it; labels are recovered from that layer alone."
            )
        bias, bias_gradient = layer.module.bias, update.gradients.get(f"{layer.name}.bias")
        check_finite(f"the gradient of '{layer.name}.weight'", gradient)
        if bias_gradient is not None:
            check_finite(f"the gradient of '{layer.name}.bias'", bias_gradient)
        return cls(
            layer.module.weight.detach(),
            None if bias is None else bias.detach(),
            gradient,
            bias_gradient,
        )

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return self.weight.shape[0]

    def logits(self, inputs: Tensor) -> Tensor:
        """Z^T (b x K, float64) for inputs of the layer (b x n)."""
        products = inputs.double() @ self.weight.double().T
        return products if self.bias is None else products + self.bias.double()

    def single(self, rank: int | None) -> "SingleGradient | None":
        """The factors of the gradient of a single sample; None if it is zero.

        Args:
            rank: 1 takes the first factor whatever else is there, such as noise; None estimates the
                number of samples from the singular values.

        Raises:
            InvalidObservation: there are several samples, or noise hides how many.
        """
        found = decompose(self.weight_gradient, rank)
        if found is Status.ZERO_GRADIENT:
            return None
        if isinstance(found, Status):
            _refuse("has full rank, by a batch or by noise")
        if found.b > 1:
            _refuse(f"has rank {found.b}, so that the batch is larger")
        direction = found.right[0] / torch.linalg.vector_norm(found.right[0])
        return SingleGradient(direction, self.weight_gradient.double() @ direction)


@dataclass(frozen=True)
class SingleGradient:
    """dL/dW = g u^T of a single sample, float64.

    Attributes:
        direction: u (n), a unit vector: x = lambda u, where |lambda| = |x| and the sign is open.
        gradient: g = lambda (p - y) (K).
    """

    direction: Tensor
    gradient: Tensor


def _refuse(why: str) -> NoReturn:
    raise InvalidObservation(
        f"the gradient of the last layer {why}, but this attack recovers the label of a single "
        "sample; attack a batch of one, use BatchLabels (attack=spear_labels) for a larger batch, "
        "or set rank to 1 for one sample with noise."
    )


def check_last_layer(layers: Sequence[LinearLayer]) -> LinearLayer:
    """The linear layer that makes a network's outputs, biased or not.

    Raises:
        LayerError: the outputs do not come from a linear layer.
    """
    if not layers or not layers[-1].is_last:
        last = described(*layers[-1].after) if layers else "no linear layer"
        raise LayerError(
            f"the network ends with {last}, but labels are recovered from a final linear layer, "
            "whose outputs are the logits; attack a network that ends with nn.Linear."
        )
    return layers[-1]


def check_mean_cross_entropy(loss: nn.Module) -> None:
    """Refuse a loss whose gradient by the logits is not (softmax - labels) / b.

    Raises:
        VictimError: it is not the mean cross-entropy.
    """
    plain = isinstance(loss, nn.CrossEntropyLoss) and loss.reduction == "mean"
    if not plain or loss.weight is not None:
        raise VictimError(
            f"the loss is {loss}, but p - y is taken for the gradient of the mean cross-entropy "
            "by the logits; train with nn.CrossEntropyLoss() without class weights."
        )
