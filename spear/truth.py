"""What the client kept to itself. For scoring only: no attack sees it."""

from dataclasses import dataclass

from torch import Tensor


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
