"""Candidates of gradient matching: free inputs, or inputs computed from other variables."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from torch import Tensor


@dataclass(frozen=True)
class Candidate:
    """Inputs that the optimiser changes, directly or through the variables they are computed from.

    Attributes:
        inputs: b x domain.shape, a leaf; None if they are computed.
        weights: leaves that they are computed from, if they are.
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
        """All variables the optimiser changes."""
        return self.weights if self.inputs is None else [self.inputs]
