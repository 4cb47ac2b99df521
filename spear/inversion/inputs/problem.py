"""The transposed problem: the inputs X are the sparse factor (Sec. 3.2, input sparsity).

dL/dW = L R with X^T = Q^-1 R and dL/dZ = L Q (Theorem 3.2). Transposed, X = R^T P with P = Q^-T:
R^T takes the place of L, and the columns p_i of P replace the q_i. Theorem 3.3 holds with
these names exchanged: the kernel of b - 1 rows of R^T on which x_i vanishes, of rank b - 1, is
spanned by p_i. Here R^T is the whitened factor, so that |R^T p| is the same for every unit p.

The scale is easier than that of the q_i (Theorem 3.5): s = L^+ dL/db = sum_i q_i = Q 1, and so
P^T s = Q^-1 Q 1 = 1. Every column has s . p_i = 1, whatever the others are.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.factors.factorization import (
    Decomposition,
    check_bias_gradient,
    decompose,
    fits,
)
from spear.observation import Observation
from spear.reconstruction import Status

SOFTMAX = 1e-3
"""Length of the sum of the rows of dL/dW, as a share of its norm, up to which they sum to zero."""


@dataclass(frozen=True)
class InputProblem(Decomposition):
    """(dL/dW)^T = R^T L^T: `left` is R^T (n' x b), `right` is L^T (b x m).

    Rows of R^T that are zero throughout (inputs that every sample has at zero) are left out.

    Attributes:
        sums: s = L^+ dL/db (b), with s . p_i = 1 for each column p_i of P.
        bias_fits: whether dL/db is L s up to rounding; see `factorization.Factorization`.
    """

    sums: Tensor
    bias_fits: bool

    def scaled(self, directions: Tensor) -> Tensor:
        """Directions (k x b) at the scale s . p = 1 and the sign that goes with it."""
        lengths = directions @ self.sums
        least = torch.finfo(lengths.dtype).tiny
        return directions / torch.where(lengths.abs() < least, least, lengths)[:, None]

    def inputs(self, rows: Tensor) -> Tensor:
        """X^T = P^T R on the active inputs for p_i as rows (k x b); k x n'."""
        return rows @ self.left.T

    def negative(self, rows: Tensor) -> Tensor:
        """Mark the inputs of rows p (k x b) that are below zero by more than noise (k x n')."""
        lengths = torch.linalg.vector_norm(rows, dim=1)
        deviation = self.noise.deviation((rows / lengths[:, None]).T) * lengths
        return self.inputs(rows) < -self.noise.not_zero * deviation.T


def transposed(observation: Observation, rank: int | None = None) -> InputProblem | Status:
    """Decompose (dL/dW)^T; see `spear.inversion.factors.factorization.factorize`.

    The rank equals the size of the batch only below the dimension of the space that holds dL/dZ.
    Before a softmax of m classes that is m - 1, because each column of dL/dZ sums to zero: from m
    inputs on, the rank stays m - 1, and directions in the row space may be mixtures of more inputs
    whose zeros seem to determine them (always, for two classes).
    """
    found = decompose(observation.weight_gradient.T.contiguous(), rank)
    if isinstance(found, Status):
        return found
    if rank is None and found.b == observation.m - 1 and _sums_to_zero(observation.weight_gradient):
        return Status.FULL_RANK
    check_bias_gradient(observation)
    bias_gradient = observation.bias_gradient.to(torch.float64)
    sums = torch.linalg.lstsq(found.right.T, bias_gradient[:, None]).solution[:, 0]
    return InputProblem(
        **vars(found), sums=sums, bias_fits=fits(found.right.T @ sums, bias_gradient)
    )


def _sums_to_zero(gradient: Tensor) -> bool:
    """Return whether every column does, as behind a softmax."""
    sums = gradient.to(torch.float64).sum(dim=0)
    size = torch.linalg.vector_norm(gradient.to(torch.float64))
    return bool(torch.linalg.vector_norm(sums) <= SOFTMAX * size)
