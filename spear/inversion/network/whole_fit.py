"""Least squares over a whole batch whose labels are known: the gradients of all layers to the loss.

With the labels every layer's gradient follows from the inputs, hence from their rows p:

    G_l = sum over i of delta_l(p_i) [a_(l-1)(p_i), 1]^T / N.

In coordinates v of the rows with s . p = 1 these are b (b - 1) unknowns. Each sample's vectors have
a Jacobian of their own, D_i of delta and A_i of a, so that the normal equations come in blocks

    J_i^T J_j = (D_i^T D_j)(a_i . a_j) + (D_i^T delta_j)(a_i^T A_j) + (A_i^T a_j)(delta_i^T D_j)
                + (delta_i . delta_j)(A_i^T A_j).

Each layer counts by the rounding of its gradient. The inverse of J^T J bounds the error of each
input to first order, whatever it is mixed with.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import jacfwd, vmap

from spear.inversion.network.reproduction import gradients_of_layers
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace
from spear.observation import LayerChain

STEPS = 4
"""Gauss-Newton steps at most; the first one arrives."""

ROUNDING = torch.finfo(torch.float32).eps
"""Deviation of an entry of a gradient, relative to the root mean square entry, at least."""

DEVIATIONS = 30.0
"""Error of an input that is allowed for, in deviations of independent errors. Those of float32 that
add up from layer to layer are not independent: true batches show up to 10."""

Layer = tuple[Tensor, Tensor]
"""delta of each sample (b x m), without 1/N, and its inputs with a one behind (b x (n + 1))."""


@dataclass(frozen=True)
class Fitted:
    """A whole batch.

    Attributes:
        rows: P (b x b).
        errors: relative error of each input that the equations leave possible (b).
    """

    rows: Tensor
    errors: Tensor


class WholeFit:
    """The gradients of a chain as functions of the rows of a batch.

    Args:
        chain: in float64, from the pair up to the logits of the cross-entropy.
        problem: the pair.
        labels: of the samples (b).
        batch_size: N.
    """

    def __init__(
        self, chain: LayerChain, problem: PairProblem, labels: Tensor, batch_size: float
    ) -> None:
        self._chain, self._problem, self._size = chain, problem, batch_size
        self.space = RowSpace.of(problem)
        self._hard = torch.nn.functional.one_hot(labels, len(chain.layers[-1].weight))
        self._hard = self._hard.to(problem.left)
        first = problem.first
        self._columns = first.singular_values / len(first.left) ** 0.5
        self._observed = [problem.left * self._columns, *self._of_layers_behind()]
        self._weights = [1 / (ROUNDING * _rms(each)) for each in self._observed]
        self._weights[0] = 1 / problem.first_error

    def _of_layers_behind(self) -> Iterator[Tensor]:
        """The gradient of each layer, with that of its bias as the last column if it is there."""
        for link in self._chain.layers[1:]:
            gradient = link.weight_gradient.to(self._problem.left)
            if link.bias_gradient is None:
                yield gradient
            else:
                yield torch.cat([gradient, link.bias_gradient.to(gradient)[:, None]], dim=1)

    def refined(self, rows: Tensor) -> Fitted:
        """Improve nearly exact rows P (b x b); they never get worse."""
        points = self.space.coordinates(rows)
        cost, matrix, slope = self._equations(points)
        for _ in range(STEPS):
            trial = points - _solved(matrix, slope.flatten()).view_as(points)
            there = self._equations(trial)
            if not bool(there[0] < cost):
                break
            points, (cost, matrix, slope) = trial, there
        return Fitted(self.space.rows(points), self._errors(points, cost, matrix))

    def _errors(self, points: Tensor, cost: Tensor, matrix: Tensor) -> Tensor:
        count = sum(each.numel() for each in self._observed)
        b, d = points.shape
        values = self._problem.first.singular_values
        moved = (values[:, None] * self.space.basis).repeat(b, 1, 1)  # of each sample: b x d
        blocks = _variances(matrix).view(b, d, b, d)
        own = torch.stack([blocks[i, :, i] for i in range(b)])
        squares = torch.einsum("ikv,ivw,ikw->i", moved, own, moved).clamp(min=0)
        variance = max(1.0, float(cost) / max(1, count - points.numel()))
        lengths = torch.linalg.vector_norm(self.space.rows(points) * values, dim=1)
        return DEVIATIONS * (variance * squares).sqrt() / lengths

    def _equations(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sum of squares, J^T J (b d x b d) and J^T r (b x d) at points."""
        jacobians, layers = vmap(jacfwd(self._layers_and_themselves, has_aux=True))(
            points, self._hard
        )
        b, d = points.shape
        matrix, slope = points.new_zeros(b, d, b, d), torch.zeros_like(points)
        cost = points.new_zeros(())
        for place, observed in enumerate(self._observed):
            width = observed.shape[1]
            (delta, a), (ddelta, da) = layers[place], jacobians[place]
            a, da, weight = a[:, :width], da[:, :width], self._weights[place]
            delta, ddelta = delta * weight / self._size, ddelta * weight / self._size
            rest = weight * observed - delta.T @ a
            cost = cost + rest.square().sum()
            slope -= torch.einsum("imv,mn,in->iv", ddelta, rest, a)
            slope -= torch.einsum("inv,mn,im->iv", da, rest, delta)
            cross = torch.einsum("imv,jm->ivj", ddelta, delta)
            along = torch.einsum("in,jnw->ijw", a, da)
            products = torch.einsum("ivj,ijw->ivjw", cross, along)
            matrix += products + products.permute(2, 3, 0, 1)
            for left, sizes in ((ddelta, a @ a.T), (da, delta @ delta.T)):
                flat = left.transpose(1, 2).reshape(b * d, -1)
                matrix += (flat @ flat.T).view(b, d, b, d) * sizes[:, None, :, None]
        return cost, matrix.view(b * d, b * d), slope

    def _layers_and_themselves(
        self, point: Tensor, hard: Tensor
    ) -> tuple[list[Layer], list[Layer]]:
        found = self._layers(point, hard)
        return found, found

    def _layers(self, point: Tensor, hard: Tensor) -> list[Layer]:
        """delta and a of one sample in each layer."""
        row = self.space.rows(point)
        z = self._problem.pre_activations(row)
        activation, chain = self._problem.activation, self._chain
        a = activation.value(z)
        behind = gradients_of_layers(chain, 1, a[None], hard[None])
        delta = activation.slope(z) * (behind[1][0] @ chain.layers[1].weight)
        layers = [(delta, row * self._columns)]
        for place in range(1, len(chain.layers)):
            layers.append((behind[place][0], torch.cat([a, torch.ones_like(a[:1])])))
            if place < len(chain.activations):
                link = chain.layers[place]
                z = link.weight @ a + (0.0 if link.bias is None else link.bias)
                a = chain.activations[place].value(z)
        return layers


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """The least squares solution of scaled normal equations."""
    scaled, scales = _scaled(matrix)
    return scales * (torch.linalg.pinv(scaled, hermitian=True) @ (scales * right))


def _variances(matrix: Tensor) -> Tensor:
    """The inverse of J^T J; a direction that no equation sees is left open, not at rest.

    Its eigenvalue is only known to be below rounding, and counts as rounding. A pseudoinverse would
    give it a variance of 0.
    """
    scaled, scales = _scaled(matrix)
    values, vectors = torch.linalg.eigh(scaled)
    least = len(values) * torch.finfo(values.dtype).eps * values[-1]
    inverse = (vectors / values.clamp(min=least)) @ vectors.T
    return inverse * scales * scales[:, None]


def _scaled(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The matrix with a diagonal of ones, and the factor of each unknown."""
    scales = matrix.diagonal().clamp(min=torch.finfo(matrix.dtype).tiny).rsqrt()
    return matrix * scales * scales[:, None], scales


def _rms(values: Tensor) -> float:
    size = float(values.square().mean().sqrt())
    return size or 1.0
