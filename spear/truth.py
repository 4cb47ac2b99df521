"""What the client kept to itself. For scoring only: no attack sees it."""

from dataclasses import dataclass

from torch import Tensor

MOST_COLUMNS = 1 << 14
"""Columns of dL/dW that a median is taken over."""


@dataclass(frozen=True)
class Truth:
    """The batch behind an observation, at the attacked layer Z = W X + b (Section 2).

    Attributes:
        inputs: X^T, the attacked layer's inputs, flattened, one a row (b x n), in the units in
            which the layer received them (the first layer: as the network receives them).
        activation_gradients: dL/dZ (m x b), its columns in the order of `inputs`.
        labels: b class indices.
    """

    inputs: Tensor
    activation_gradients: Tensor
    labels: Tensor

    def weight_gradient_median(self) -> float:
        """Median magnitude of an entry of the undefended dL/dW = dL/dZ X^T (Theorem 3.1).

        Noise is measured against it (App. E.6). Over evenly spaced columns where there are more
        than `MOST_COLUMNS`.
        """
        step = -(-self.inputs.shape[1] // MOST_COLUMNS)
        gradient = self.activation_gradients @ self.inputs[:, ::step]
        return gradient.abs().median().item()

    def least_sparsity(self) -> float:
        """Least share of zeros in a column of dL/dZ, in [0, 1]: "minimum column sparsity" (Fig. 7).

        All m neurons count, those that no sample activates among them.
        """
        zeros = (self.activation_gradients == 0).sum(dim=0)
        return zeros.min().item() / len(self.activation_gradients)
