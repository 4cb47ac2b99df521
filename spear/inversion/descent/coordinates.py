"""The coordinates in which a round searches: whitened, and predicting pre-activations.

For row weights d_j >= 0 with C = L^T diag(d) L / sum(d) = A A^T (Cholesky), the coordinates
q' = A^T q make L' = L A^-T satisfy L'^T diag(d) L' = sum(d) I: the weighted mean square of L' q' is
1 for every unit q', so that sparsity compares across directions. If the columns of dL/dZ were
orthogonal under d, so would those of Q' be, and rows p_i of Q^-1 would satisfy
p_i = C q_i / (s . C q_i): in these coordinates p' = A^-1 p is parallel to q'. That is what predicts
the pre-activations of a candidate, z = M A q' / (A^T s . q') + bias.

The row weights: p = s / |s|^2 predicts each neuron's mean pre-activation over the batch.
Inputs with correlated activations (un-normalised pixels) switch many neurons on for all samples;
their rows carry no zeros and make the columns of dL/dZ alike. d_j = sigmoid(-a z_j / std z)
prefers the rows that are on for few samples.

Before few classes the columns of dL/dZ are not nearly orthogonal: those of samples of one class are
alike, since each is a mean slope times a column of the few-dimensional space of W2^T dL/dU, plus
what the slopes fluctuate from neuron to neuron. The fluctuations are nearly orthogonal. So C is
then taken of what the projection beside that space leaves of L.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.factors.factorization import Factorization
from spear.inversion.factors.gram import unit

SHARED = 1e-3
"""Share of what samples have in common that stays in C, so that a sample of that alone does."""


@dataclass(frozen=True)
class Frame:
    """An observation's active rows in the coordinates of one round, in the search's dtype.

    Attributes:
        left: L' = L A^-T (m' x b).
        predictor: M A (m' x b).
        sums: A^T s (b).
        bias: of the active neurons (m').
        mixing: A (b x b), lower triangular, float64.
    """

    left: Tensor
    predictor: Tensor
    sums: Tensor
    bias: Tensor
    mixing: Tensor

    def enter(self, directions: Tensor) -> Tensor:
        """q' = A^T q for directions q (k x b rows)."""
        return (directions @ self.mixing).to(self.left.dtype)

    def enter_rows(self, rows: Tensor) -> Tensor:
        """p' = A^-1 p for rows p of Q^-1 (k x b), so that p' . q' = p . q."""
        solved = torch.linalg.solve_triangular(self.mixing, rows.T, upper=False)
        return solved.T.to(self.left.dtype)

    def leave(self, directions: Tensor) -> Tensor:
        """Unit q, parallel to A^-T q', for search directions q' (k x b rows); float64."""
        wide = directions.to(self.mixing.dtype).T
        return unit(torch.linalg.solve_triangular(self.mixing.T, wide, upper=True).T)


def build_frame(
    problem: Factorization, prior: float, dtype: torch.dtype, common: Tensor | None = None
) -> Frame:
    """The frame for row weights d_j = sigmoid(-prior z_j / std z), z predicted by s / |s|^2.

    Args:
        problem: one layer's.
        prior: as above.
        dtype: of the search.
        common: columns on the active neurons that span what samples have in common (m' x r).
    """
    left, sums = problem.left, problem.bias_coordinates
    predictor, bias = problem.projected_weight[problem.active], problem.bias[problem.active]
    mean = predictor @ sums / sums.square().sum() + bias
    weights = torch.sigmoid(-prior * mean / mean.std().clamp(min=torch.finfo(mean.dtype).tiny))
    scatter = (left * weights[:, None]).T @ left / weights.sum()
    if common is not None:
        roots = weights.sqrt()[:, None]
        inside = torch.linalg.qr(roots * common).Q.T @ (roots * left)
        scatter -= (1 - SHARED) * (inside.T @ inside) / weights.sum()
    mixing, info = torch.linalg.cholesky_ex(scatter)
    if int(info) != 0:
        mixing = torch.eye(problem.b, dtype=left.dtype, device=left.device)
    return Frame(
        left=torch.linalg.solve_triangular(mixing, left.T, upper=False).T.to(dtype),
        predictor=(predictor @ mixing).to(dtype),
        sums=(mixing.T @ sums).to(dtype),
        bias=bias.to(dtype),
        mixing=mixing,
    )
