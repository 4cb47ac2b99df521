"""A gated block in factors: two layers whose outputs are multiplied, and the layer back.

With u = G x, v = U x and a = sigma(u) * v, and without biases, the gradients of the three weights
are

    G_g = D_u X^T,  G_u = D_v X^T,  G_d = D_y A^T,
    D_u = sigma'(u) * v * (W^T D_y),  D_v = sigma(u) * (W^T D_y)   (chain rule),

one column a position. So both gradients in front have one row space, R (b x n), that of the inputs:
[G_g; G_u] = L R, D = L Q and X^T = P R with P = Q^-1. The rows of G_d span the activations.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.errors import InvalidObservation
from spear.inversion.factors.rank import estimate_rank, rounding_floor
from spear.transformer import GatedLayers


@dataclass(frozen=True)
class GatedProblem:
    """The gradients of a gated block in factors, or what is left of them; everything is float64.

    Attributes:
        right: R, orthonormal rows (b x n).
        left: L, of the gate's neurons and then of the others' (2 m x b).
        gate, up: G R^T and U R^T (m x b).
        activations: R2, orthonormal rows that span the activations (r x m).
        next_values: singular values of G_d = U2 diag(next_values) R2 (r).
        back: W^T U2 (m x r).
        activation: sigma.
    """

    right: Tensor
    left: Tensor
    gate: Tensor
    up: Tensor
    activations: Tensor
    next_values: Tensor
    back: Tensor
    activation: Elementwise

    @property
    def b(self) -> int:
        """Number of positions."""
        return len(self.right)

    @property
    def m(self) -> int:
        """Neurons of each of the two layers."""
        return len(self.gate)

    def values(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return a, and its derivatives by u and by v, of rows p (k x m each)."""
        u, v = rows @ self.gate.T, rows @ self.up.T
        opened = self.activation.value(u)
        return opened * v, self.activation.slope(u) * v, opened


def gated_problem(layers: GatedLayers) -> GatedProblem:
    """Decompose the gradients of a gated block.

    Raises:
        InvalidObservation: they are zero or of full rank, or their ranks differ.
    """
    front = torch.cat([layers.gate_gradient, layers.up_gradient])
    vectors, values, right = _decomposed(front, "gate and up")
    back, next_values, activations = _decomposed(layers.down_gradient, "down")
    if len(values) != len(next_values):
        raise InvalidObservation(
            f"the gradients in front of the gate have rank {len(values)} and that behind it "
            f"{len(next_values)}; expected equal ranks, the number of positions: attack a smaller "
            "batch."
        )
    return GatedProblem(
        right,
        vectors * values,
        layers.gate.double() @ right.T,
        layers.up.double() @ right.T,
        activations,
        next_values,
        layers.down.double().T @ back,
        layers.activation,
    )


def _decomposed(gradient: Tensor, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Left vectors, singular values and right vectors up to the rank."""
    vectors, values, rows = torch.linalg.svd(gradient.double(), full_matrices=False)
    rank = estimate_rank(values, rounding_floor(gradient))
    if not rank or rank == min(gradient.shape):
        found = "zero" if rank == 0 else "of full rank"
        raise InvalidObservation(
            f"the gradient of {name} is {found}; expected fewer positions than the block is wide, "
            "one or more, and no noise: attack another batch."
        )
    return vectors[:, :rank], values[:rank], rows[:rank]
