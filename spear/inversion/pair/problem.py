"""A layer pair in the coordinates of the search: both gradients decomposed.

With pre-activations Z = W1 X + c1 and activations A = sigma(Z), one column a sample, the gradients
of a layer and of the next are

    G1 = D1 X^T = L R,  D1 = dL/dZ = L Q,  X^T = P R,  P = Q^-1;
    G2 = D2 A^T,  D2 the gradient of the next layer's outputs;
    D1 = sigma'(Z) * (W2^T D2)  (chain rule).

So the rows of G2 span the activations, and its columns span the columns of D2.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.inversion.directions.sparsity_matching import ROUNDING
from spear.inversion.factors.factorization import (
    Decomposition,
    Factorization,
    decompose,
    factorize,
)
from spear.inversion.pair.common_rank import common_rank
from spear.inversion.pair.shared_gradients import SharedGradients
from spear.observation import LayerPair
from spear.reconstruction import Status

CERTAIN = 4.0
"""Distance of z from a kink, in deviations, from which its piece is certain."""


@dataclass(frozen=True)
class PairProblem:
    """Both gradients of a layer pair in factors; everything is float64.

    Attributes:
        first: the factorisation of G1, with L, R, M = W1 R^T, c1 and s = L^+ dL/dc1.
        left: L on all m rows, zero on inactive neurons (m x b).
        activation: sigma.
        activations: R2, orthonormal rows that span the row space of G2 (r x m).
        next_values: singular values of G2 = U2 diag(next_values) R2 (r).
        back: V = W2^T U2 (m x r).
        next_norms: lengths of the columns of W2 (m).
        next_bias: U2^T dL/dc2 (r); None if the next layer shares no bias gradient.
        first_error: deviation of an entry of G1.
        next_error: deviation of an entry of G2.
        shared: the gradients of the whole pair if the errors of either are more than rounding.
    """

    first: Factorization
    left: Tensor
    activation: Elementwise
    activations: Tensor
    next_values: Tensor
    back: Tensor
    next_norms: Tensor
    next_bias: Tensor | None
    first_error: float
    next_error: float
    shared: SharedGradients | None

    @property
    def noisy(self) -> bool:
        """Tell whether the errors of either gradient are more than rounding."""
        return self.shared is not None

    @property
    def b(self) -> int:
        """Number of inputs."""
        return self.first.b

    @property
    def m(self) -> int:
        """Neurons between the two layers."""
        return self.first.m

    @property
    def r(self) -> int:
        """Rank of the next layer's gradient."""
        return len(self.next_values)

    @property
    def spans_activations(self) -> bool:
        """Tell whether the rows of G2 span every sample's activations."""
        return self.r == self.b

    def with_sum(self, sums: Tensor) -> "PairProblem":
        """Return the same problem with s (b), which says what the lengths of rows are."""
        return replace(self, first=replace(self.first, bias_coordinates=sums))

    def decided(self, rows: Tensor, z: Tensor) -> Tensor:
        """Mark the neurons whose piece is certain in spite of rounding and noise (k x m).

        All are, unless the activation is piecewise linear.

        Args:
            rows: p (k x b).
            z: their pre-activations (k x m).
        """
        pieces = self.activation.pieces
        if pieces is None:
            return torch.ones_like(z, dtype=torch.bool)
        open_ = ROUNDING * z.square().mean(dim=1, keepdim=True).sqrt()
        if self.noisy:
            open_ = torch.maximum(open_, CERTAIN * self.deviation(rows))
        return torch.minimum((z - pieces.lower).abs(), (z - pieces.upper).abs()) > open_

    def deviation(self, rows: Tensor) -> Tensor:
        """Deviation of z of true rows p by noise in R (k x m); 0 without noise."""
        lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        return self.first.noise.right * lengths * self.first.weight_norms

    def pre_activations(self, rows: Tensor) -> Tensor:
        """Z of rows p, a row a sample (k x m)."""
        return rows @ self.first.projected_weight.T + self.first.bias


def pair_problem(
    pair: LayerPair, rank: int | None = None, first: Factorization | Status | None = None
) -> PairProblem | Status:
    """Decompose both gradients of a layer pair.

    Args:
        pair: what the server holds, on the device where the search is to run.
        rank: number of inputs; None to take it from the spectrum of G1, or if that shows none, of
            both (`common_rank`).
        first: `factorize` of the first layer with this rank, if it has been called.

    Returns:
        The problem, or the status that says why there is none.

    Raises:
        InvalidObservation: see `check_bias_gradient`.
    """
    if first is None:
        first = factorize(pair.first, rank)
    if first is Status.FULL_RANK and rank is None:
        rank = common_rank(pair)
        first = first if rank is None else factorize(pair.first, rank)
    if isinstance(first, Status):
        return first
    second = _decomposed(pair, first.b)
    if isinstance(second, Status):
        return second
    if first.b + second.b > first.m:  # [L, -sigma'(z) * V] has a kernel for any z
        return Status.FULL_RANK
    columns = second.left / second.left.shape[0] ** 0.5
    bias, noisy = pair.next_bias_gradient, first.noise.white or second.noise.white
    return PairProblem(
        first=first,
        left=_on_all_rows(first),
        activation=pair.activation.to(first.left.device),
        activations=second.right / second.singular_values[:, None] * second.left.shape[0] ** 0.5,
        next_values=second.singular_values,
        back=pair.next_weight[second.active].to(torch.float64).T @ columns,
        next_norms=torch.linalg.vector_norm(pair.next_weight[second.active].double(), dim=0),
        next_bias=None if bias is None else columns.T @ bias[second.active].to(torch.float64),
        first_error=_error(first),
        next_error=_error(second),
        shared=SharedGradients.of(pair, first.right) if noisy else None,
    )


def _on_all_rows(problem: Decomposition) -> Tensor:
    """L on all m rows, with zeros on the inactive ones (m x b)."""
    left = problem.left.new_zeros(problem.m, problem.b)
    left[problem.active] = problem.left
    return left


def _decomposed(pair: LayerPair, b: int) -> Decomposition | Status:
    """Decompose G2 at its own rank, b at most: less with few outputs, or under a softmax."""
    found = decompose(pair.next_weight_gradient)
    if found == Status.ZERO_GRADIENT or (isinstance(found, Decomposition) and found.b <= b):
        return found
    return decompose(pair.next_weight_gradient, min(b, pair.next_weight.shape[0]))


def _error(problem: Decomposition) -> float:
    """Root mean square error of an entry of the gradient behind a decomposition."""
    rows = problem.noise.rows / len(problem.noise.rows) ** 0.5
    return float(rows.square().mean().sqrt())
