"""Both gradients of a noisy pair, entry by entry: what the most likely batch is fitted to.

Factors of a noisy gradient are inexact, and so is all that is computed with them. The entries have
independent errors. An input enters G1 = D1 X^T and Z = W1 X + c1, so that its part in the span of
the rows of W1 and of R is all that matters: m + b numbers instead of n.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.observation import LayerPair


@dataclass(frozen=True)
class SharedGradients:
    """The gradients and weights of a layer pair in a basis of k directions of the inputs; float64.

    Attributes:
        weight: W1 (m x k).
        bias: c1 (m).
        gradient: G1 (m x k).
        bias_gradient: dL/dc1 (m).
        right: R (b x k).
        next_weight: W2 (K x m).
        next_gradient: G2 (K x m).
        next_bias_gradient: dL/dc2 (K); None if the next layer shares none.
    """

    weight: Tensor
    bias: Tensor
    gradient: Tensor
    bias_gradient: Tensor
    right: Tensor
    next_weight: Tensor
    next_gradient: Tensor
    next_bias_gradient: Tensor | None

    @classmethod
    def of(cls, pair: LayerPair, right: Tensor) -> "SharedGradients":
        """Return those of a pair whose G1 has the row space of R (b x n)."""
        weight, gradient = pair.first.weight.double(), pair.first.weight_gradient.double()
        if len(weight) + len(right) < weight.shape[1]:
            basis = torch.linalg.qr(torch.cat([weight, right]).T).Q
            weight, gradient, right = weight @ basis, gradient @ basis, right @ basis
        bias = pair.next_bias_gradient
        return cls(
            weight=weight,
            bias=pair.first.bias.double(),
            gradient=gradient,
            bias_gradient=pair.first.bias_gradient.double(),
            right=right,
            next_weight=pair.next_weight.double(),
            next_gradient=pair.next_weight_gradient.double(),
            next_bias_gradient=None if bias is None else bias.double(),
        )

    def unexplained(self, rank: int) -> tuple[float, float]:
        """Squares of G1 and of G2 that no matrix of that rank explains."""
        values = (torch.linalg.svdvals(each) for each in (self.gradient, self.next_gradient))
        first, second = (float(each[rank:].square().sum()) for each in values)
        return first, second
