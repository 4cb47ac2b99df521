"""Forward consistency: a sample's activations lie in the row space of the next layer's gradient.

G2 = D2 A^T has rank b if the next layer is wider than the batch, and its rows span the b columns
of A. With row space R2 (b x m, orthonormal), a row p of Q^-1 satisfies

    (I - R2^T R2) sigma(M p + c1) = 0,   s . p = 1:

m - b + 1 equations in the b entries of p. The same holds on any subset of the neurons that
has more than 2 b - 2 of them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.inversion.factors.gram import Grams
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.projected import projected_equations, solved


@dataclass(frozen=True)
class ForwardConsistency:
    """The residual of forward consistency along p = p0 + N v, relative to the activations.

    Attributes:
        predictor: M N on the chosen neurons (m' x d).
        base: M p0 + c1 on them (m').
        space: orthonormal rows that span the activations on them (r x m').
        activation: sigma on them.
        grams: weighted Gram matrices of `predictor`.
    """

    predictor: Tensor
    base: Tensor
    space: Tensor
    activation: Elementwise
    grams: Grams

    def cost(self, points: Tensor) -> Tensor:
        """m' |r|^2 / |a|^2, with r the part of a outside the space; K."""
        residual, lengths, _ = self._residuals(points)
        return residual.square().sum(dim=1) * (len(self.base) / lengths.square())

    def normal_equations(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Implement `Objective.normal_equations`; the length of a counts as constant.

        The Jacobian is (I - R2^T R2) diag(sigma') M N, so that its Gram matrix is one without the
        projection less one inside the space.
        """
        residual, lengths, z = self._residuals(points)
        scale = (len(self.base) ** 0.5 / lengths)[:, None]
        slopes = self.activation.slope(z) * scale
        inside = (self.space * slopes[:, None, :]) @ self.predictor
        matrices = self.grams(slopes.square()) - inside.mT @ inside
        return matrices, (residual * slopes * scale) @ self.predictor

    def of_pieces(self, slopes: Tensor, offsets: Tensor) -> Tensor:
        """The points at which activations slope * z + offset lie nearest to the space.

        Args:
            slopes, offsets: of each neuron (K x m').

        Returns:
            K x d, by linear least squares.
        """
        constants = slopes * self.base + offsets
        equations = projected_equations(self.grams, self.predictor, self.space, slopes, constants)
        return solved(*equations, equations[1].new_zeros(()))

    def _residuals(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z = points @ self.predictor.T + self.base
        a = self.activation.value(z)
        lengths = torch.linalg.vector_norm(a, dim=1).clamp(min=torch.finfo(a.dtype).tiny)
        return a - (a @ self.space.T) @ self.space, lengths, z


def residuals(problem: PairProblem, rows: Tensor) -> Tensor:
    """Return |rest of a| / |a| on all neurons of rows p (k x b); k."""
    a = problem.activation.value(problem.pre_activations(rows))
    rest = a - (a @ problem.activations.T) @ problem.activations
    return torch.linalg.vector_norm(rest, dim=1) / torch.linalg.vector_norm(a, dim=1)
