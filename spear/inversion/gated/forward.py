"""Forward consistency of a gated block: activations lie in the row space of the layer back.

    (I - R2^T R2) (sigma(M_g p) * M_u p) = 0,   relative to the activations:

m - b equations in the b entries of a row p. Nothing fixes a scale beforehand, since there is no
bias; but sigma is not homogeneous, so that only the true scale solves them. Without the small
scales at which every activation looks alike, most starts would shrink: the known length of an
input behind an RMSNorm, |x| = sqrt(n) for weights of 1, keeps them away.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.gated.problem import GatedProblem


@dataclass(frozen=True)
class GatedConsistency:
    """Its residual along p = N w, as `spear.inversion.pair.levenberg_marquardt` minimises it.

    Attributes:
        problem: the block, with the row space that is left.
        basis: N, orthonormal columns (b x d).
        length: |p| to expect; None if it is not known.
    """

    problem: GatedProblem
    basis: Tensor
    length: float | None = None

    def cost(self, points: Tensor) -> Tensor:
        """m |r|^2 / |a|^2, and m times the squared relative error of |p|^2; K."""
        rest, scale, _, _ = self._residuals(points)
        away = self._away(points)
        return (rest * scale).square().sum(dim=1) + away.square()

    def normal_equations(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Implement `Objective.normal_equations`; the length of a counts as constant."""
        rest, scale, by_gate, by_up = self._residuals(points)
        gate, up = self.problem.gate @ self.basis, self.problem.up @ self.basis
        jacobian = by_gate[:, :, None] * gate + by_up[:, :, None] * up
        jacobian = jacobian * scale[:, :, None]
        space = self.problem.activations
        inside = space @ jacobian
        matrices = jacobian.mT @ jacobian - inside.mT @ inside
        right = torch.einsum("kmd,km->kd", jacobian, rest * scale)
        if self.length is not None:
            slopes = 2 * self.problem.m**0.5 * points / self.length**2
            matrices = matrices + slopes[:, :, None] * slopes[:, None, :]
            right = right + slopes * self._away(points)[:, None]
        return matrices, right

    def _residuals(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        a, by_gate, by_up = self.problem.values(points @ self.basis.T)
        lengths = torch.linalg.vector_norm(a, dim=1, keepdim=True)
        scale = self.problem.m**0.5 / lengths.clamp(min=torch.finfo(a.dtype).tiny)
        space = self.problem.activations
        return a - (a @ space.T) @ space, scale, by_gate, by_up

    def _away(self, points: Tensor) -> Tensor:
        if self.length is None:
            return torch.zeros_like(points[:, 0])
        return self.problem.m**0.5 * (points.square().sum(dim=1) / self.length**2 - 1)
