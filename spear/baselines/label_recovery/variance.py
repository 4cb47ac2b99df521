"""The variance loss: at the right lambda all entries of a label but a few are equal."""

import numpy as np
import torch
from numpy.typing import NDArray

from spear.errors import InvalidObservation
from spear.inversion.labels.last_layer import LastLayer, SingleGradient

Array = NDArray[np.float64]


class VarianceLoss:
    """Variance of the entries of a label that should be equal, for any lambda.

    With x = lambda u and dL/dW = g u^T, the label is y(lambda) = softmax(lambda W u + b) - g /
    lambda. The loss is the variance of its K - `unequal` smallest entries,

        Var(smallest of y(lambda)) (lambda / |g|)^2.

    Wang et al., "Towards Eliminating Hard Label Constraints in Gradient Inversion Attacks" (ICLR
    2024, arXiv 2402.03124) have it without the factor. Both are zero at the same lambda, but
    without it the loss also goes to zero as |lambda| grows: softmax saturates, g / lambda vanishes,
    and a one-hot label remains, whatever the true one is.

    Args:
        layer: the last layer.
        single: the factors of its gradient.
        unequal: entries that may differ from the others: 1 for one-hot and smoothed labels, 2 for
            mixtures of two, which include these.

    Raises:
        InvalidObservation: fewer than two entries would have to be equal.

    Attributes:
        unit: lambda at which the largest ratio of two probabilities is e times what the bias makes
            of it: the scale on which the loss changes.
        length, largest: |g|, and the entry of g of largest magnitude.
        evaluations: values of lambda that it was asked for.
    """

    def __init__(self, layer: LastLayer, single: SingleGradient, unequal: int) -> None:
        if layer.n_classes < unequal + 2:
            raise InvalidObservation(
                f"the network has {layer.n_classes} classes, but {unequal} entries of a label may "
                "differ from the others, of which there must be two to compare; expected at least "
                f"{unequal + 2} classes, or a layer with a bias."
            )
        self._slopes: Array = (layer.weight.double() @ single.direction).cpu().numpy()
        bias = layer.bias
        self._bias: Array = np.zeros(1) if bias is None else bias.double().cpu().numpy()
        self._gradient: Array = single.gradient.cpu().numpy()
        self.length = float(np.linalg.norm(self._gradient))
        self.largest = float(self._gradient[np.argmax(np.abs(self._gradient))])
        self._equal = layer.n_classes - unequal
        self.unit = 1.0 / max(float(np.ptp(self._slopes)), np.finfo(np.float64).tiny)
        self.evaluations = 0

    def labels(self, lambdas: Array) -> Array:
        """y (k x K) for each lambda (k), none of them 0."""
        return self._probabilities(lambdas) - self._gradient / lambdas[:, None]

    def at(self, lambda_: float) -> float:
        """The loss at one lambda."""
        return float(self(np.array([lambda_]))[0])

    def label(self, lambda_: float) -> torch.Tensor:
        """y (K) at one lambda, on the CPU."""
        return torch.from_numpy(self.labels(np.array([lambda_]))[0])

    def __call__(self, lambdas: Array) -> Array:
        """The loss (k) for each lambda (k), continuous at 0."""
        self.evaluations += len(lambdas)
        column = lambdas[:, None]
        scaled = (column * self._probabilities(lambdas) - self._gradient) / self.length
        # y is this over lambda: for a negative one its smallest entries are the largest of this.
        signed = np.where(column < 0, -scaled, scaled)
        smallest = np.partition(signed, self._equal - 1, axis=1)[:, : self._equal]
        return smallest.var(axis=1)

    def _probabilities(self, lambdas: Array) -> Array:
        logits = lambdas[:, None] * self._slopes + self._bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)
