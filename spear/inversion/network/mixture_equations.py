"""Equations of samples without a kink: the gradient of a layer pair as a function of their rows."""

from copy import copy
from dataclasses import replace

import torch
from torch import Tensor
from torch.func import jacfwd, vmap

from spear.activations.rounded import Rounded
from spear.inversion.network.reproduction import gradients_of_layers
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace
from spear.observation import LayerChain


class MixtureEquations:
    """L - sum over i of d_i(p_i) p_i^T, relative to L, of points P in coordinates of the plane.

    Columns of L count by their errors, as in `spear.inversion.pair.joint_fit`. d_i depends on
    sample i alone, so that J^T J comes in blocks of its own Jacobian D_i, with w the weights:

        J_i^T J_j = (D_i^T D_j)(w p_i . w p_j) + (D_i^T d_j)(w p_i)^T w N
                    + (w N)^T (w p_j)(d_i^T D_j) + (d_i . d_j)(w N)^T w N.

    Args:
        chain: in float64.
        rest: the pair.
        space: of its rows.
        labels: of the samples (k).
        batch_size: N.
    """

    def __init__(
        self,
        chain: LayerChain,
        rest: PairProblem,
        space: RowSpace,
        labels: Tensor,
        batch_size: float,
    ) -> None:
        self._chain, self._rest, self._space = chain, rest, space
        self._batch_size = batch_size
        self._hard = torch.nn.functional.one_hot(labels, len(chain.layers[-1].weight)).to(rest.left)
        weights = rest.first.singular_values / rest.first.singular_values.amax()
        self._columns = weights / torch.linalg.vector_norm(rest.left * weights)

    def rounded(self, width: float) -> "MixtureEquations":
        """The same with the corners of the pair's activation rounded."""
        other = copy(self)
        other._rest = replace(self._rest, activation=Rounded(self._rest.activation, width))
        return other

    def deviation(self, points: Tensor) -> float:
        """Deviation of z at points (count x k x (k - 1))."""
        rows = self._space.rows(points.flatten(0, 1))
        return float(self._rest.pre_activations(rows).std(dim=1).median())

    def start(self) -> Tensor:
        """Coordinates of the rows if all samples were alike but for their labels (k x (k - 1))."""
        rows = self._space.point.expand(self._rest.b, -1)
        rows = torch.linalg.pinv(self._gradients(rows).T, rtol=1e-3) @ self._rest.left
        return self._space.coordinates(rows)

    def cost(self, points: Tensor) -> Tensor:
        """Implement `Objective.cost`."""
        rows = self._rows(points)
        gradients = self._gradients(rows.flatten(0, 1)).view(*rows.shape[:2], -1)
        return self._rests(rows, gradients).square().sum(dim=(1, 2))

    def normal_equations(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Implement `Objective.normal_equations`."""
        rows, basis = self._rows(points), self._columns[:, None] * self._space.basis
        count, k = rows.shape[:2]
        own, there = vmap(jacfwd(self._of_sample, has_aux=True))(
            points.view(count * k, -1), self._hard.repeat(count, 1)
        )
        d, gradients = there.view(count, k, -1), own.view(count, k, *own.shape[1:])
        size, rest = own.shape[2], self._rests(rows, d)
        weighted = rows * self._columns
        flat = gradients.transpose(2, 3).reshape(count, k * size, -1)
        sizes = weighted @ weighted.mT
        matrices = (flat @ flat.mT).view(count, k, size, k, size) * sizes[:, :, None, :, None]
        cross = torch.einsum("cimv,cjm->civj", gradients, d)
        mixed = torch.einsum("civj,ciw->civjw", cross, weighted @ basis)
        matrices = matrices + mixed + mixed.permute(0, 3, 4, 1, 2)
        matrices += torch.einsum("cij,vw->civjw", d @ d.mT, basis.T @ basis)
        slopes = torch.einsum("cimv,cmn,cin->civ", gradients, rest, weighted)
        slopes += (d @ rest) @ basis
        return matrices.flatten(3, 4).flatten(1, 2), -slopes.flatten(1)

    def rows(self, point: Tensor) -> Tensor:
        """P of one point (k x k)."""
        return self._rows(point[None])[0]

    def _rows(self, points: Tensor) -> Tensor:
        return self._space.rows(points.view(len(points), self._rest.b, -1))

    def _rests(self, rows: Tensor, gradients: Tensor) -> Tensor:
        return (self._rest.left - gradients.mT @ rows) * self._columns

    def _of_sample(self, point: Tensor, hard: Tensor) -> tuple[Tensor, Tensor]:
        row = self._space.rows(point)
        found = gradients_of_rows(self._chain, self._rest, row[None], hard[None])[0]
        return found / self._batch_size, found / self._batch_size

    def _gradients(self, rows: Tensor) -> Tensor:
        hard = self._hard.repeat(len(rows) // self._rest.b, 1)
        return gradients_of_rows(self._chain, self._rest, rows, hard) / self._batch_size


def gradients_of_rows(chain: LayerChain, rest: PairProblem, rows: Tensor, hard: Tensor) -> Tensor:
    """Return dL/dZ of samples, without 1/N (k x m).

    Args:
        chain: the pair and the layers behind it.
        rest: the pair.
        rows: p of each (k x b).
        hard: labels, one-hot (k x K).
    """
    z = rest.pre_activations(rows)
    behind = gradients_of_layers(chain, 1, rest.activation.value(z), hard)[1]
    return rest.activation.slope(z) * (behind @ chain.layers[1].weight)
