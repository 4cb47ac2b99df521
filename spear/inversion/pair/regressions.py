"""Two regressions a neuron: directions behind a piecewise linear activation, by descent.

sigma' has two values, so that backward consistency L q = sigma'(z) * (V e) is a mixture of two
linear regressions: each neuron has (L q)_j = outer_j (V e)_j or (L q)_j = inner (V e)_j. Every
neuron informs, not only the zeros that a ReLU leaves: m >= b + r suffices to determine (q, e).

As in `spear.inversion.descent.sphere`, each start descends by iteratively reweighted least
squares, now with two residuals a neuron. The pre-activations that a candidate predicts weigh them:
where z is likely inside, the residual with the inner slope counts more. For the current weights e
is eliminated from the quadratic form (a Schur complement), and q moves by one inverse iteration.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.activations.elementwise import Pieces
from spear.inversion.descent.activation_weights import CLIP
from spear.inversion.descent.coordinates import Frame
from spear.inversion.descent.deflation import Deflation
from spear.inversion.descent.sphere import ITERATIONS, RIDGE, SHRINKING, sparsity_weights
from spear.inversion.descent.starts import Starts
from spear.inversion.factors.gram import Grams, inverse_iteration

BACK_RIDGE = 1e-6
"""Keeps the block of e factorisable in float32, relative to its mean eigenvalue."""


@dataclass(frozen=True)
class Regressions:
    """Neurons of a layer pair in the coordinates and the precision of a search.

    Attributes:
        frame: of the search.
        back: V on the active neurons, of root mean square 1 (m' x r).
        outer: the outer slope relative to the inner one (m').
        pieces: of the activation, on the active neurons.
    """

    frame: Frame
    back: Tensor
    outer: Tensor
    pieces: Pieces

    def descend(self, starts: Starts, deflation: Deflation) -> tuple[Tensor, Tensor]:
        """Return the ends of the descents in the frame's coordinates: q (K x b) and e (K x r)."""
        left, back = self.frame.left, self.back
        grams, back_grams = Grams(left), Grams(back)
        products = (left[:, :, None] * back[:, None, :]).flatten(start_dim=1)
        shape = len(starts), left.shape[1], back.shape[1]
        directions = starts.directions
        nexts = directions.new_zeros(len(starts), back.shape[1])
        smoothing = 1.0
        for iteration in range(ITERATIONS):
            outer, inner = self._weights(directions, nexts, starts, deflation, smoothing)
            matrices = grams(outer + inner)
            crossed = ((inner + self.outer * outer) @ products).view(shape)
            blocks = back_grams(inner + self.outer.square() * outer)
            diagonal = blocks.diagonal(dim1=1, dim2=2)
            diagonal += BACK_RIDGE * diagonal.mean(dim=1, keepdim=True)
            eliminated = torch.linalg.solve(blocks, crossed.mT)
            matrices -= crossed @ eliminated
            deflation.penalise(matrices, iteration / ITERATIONS)
            directions = inverse_iteration(matrices, directions, RIDGE)
            nexts = (eliminated @ directions[:, :, None])[:, :, 0]
            smoothing *= SHRINKING
        return directions, nexts

    def _weights(
        self,
        directions: Tensor,
        nexts: Tensor,
        starts: Starts,
        deflation: Deflation,
        smoothing: float,
    ) -> tuple[Tensor, Tensor]:
        """Weights of the residuals with the outer and with the inner slope (K x m' each)."""
        columns, behind = directions @ self.frame.left.T, nexts @ self.back.T
        lengths = (directions @ deflation.sums)[:, None]
        z = directions @ deflation.predictor.T / lengths + self.frame.bias
        likely = starts.sharpness * self._inside(z)
        outer, inner = (
            sparsity_weights(columns - slope * behind, starts.exponents, smoothing)
            for slope in (self.outer, 1.0)
        )
        return (outer - likely).exp(), (inner + likely).exp()

    def _inside(self, z: Tensor) -> Tensor:
        """Distance of z from the nearer end of the inner piece, in deviations of z, clipped."""
        spread = z.std(dim=1, keepdim=True)
        depth = torch.minimum(z - self.pieces.lower, self.pieces.upper - z) / spread
        return depth.nan_to_num(0.0).clamp(-CLIP, CLIP)
