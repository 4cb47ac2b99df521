"""What gradient matching searches: free inputs, or inputs that follow from other variables."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from torch import Tensor


@dataclass(frozen=True)
class Candidate:
    """Inputs that the optimiser changes, itself or by what they are computed from.

    Attributes:
        inputs: b x domain.shape, a leaf; None where they are computed.
        weights: leaves that they are computed from, where they are.
        current: the inputs for the variables as they are now (b x domain.shape), differentiable.
    """

    inputs: Tensor | None
    weights: list[Tensor]
    current: Callable[[], Tensor]

    @classmethod
    def free(cls, inputs: Tensor) -> Self:
        """Every entry is a variable."""
        leaf = inputs.clone().requires_grad_()
        return cls(leaf, [], lambda: leaf)

    @property
    def variables(self) -> list[Tensor]:
        """What the optimiser changes."""
        return self.weights if self.inputs is None else [self.inputs]
