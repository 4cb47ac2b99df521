"""Samples without a kink, told apart by the loss.

Let all z of k samples lie in one linear piece of sigma. Their gradients in the pair are the same
for X T and D T^-T with every k x k matrix T whose columns sum to 1. With the layers up to the
outputs and the cross-entropy, D = dL/dZ follows from X and the labels: row d_i of sample i is

    d_i(p_i) = sigma'(z_i) * (W2^T g(u_i, y_i)) / N,   u_i = W2 sigma(M p_i + c1) + c2,

with g the gradient of a sample's loss in the next layer's outputs u. So L = sum over i of d_i p_i^T
has m k equations in the k (k - 1) unknowns of P with P s = 1, which are those of T. The bias
gradient ranks the choices of labels.
"""

from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, islice

import torch
from scipy.optimize import nnls
from torch import Tensor
from torch.func import jacfwd, vmap

from spear.inversion.network.reproduction import gradients_of_layers
from spear.inversion.pair.levenberg_marquardt import minimise
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.proof import DEVIATIONS
from spear.inversion.pair.rows import RowSpace
from spear.observation import LayerChain, Link

STARTS = 16
"""Starts for each choice of labels."""

TRIED = 12
"""Choices of labels that are tried, the likeliest first."""

MORE = 3
"""Classes beyond k among which labels are chosen."""

CHOICES = 20_000
"""Choices of labels that are ranked at most."""

ITERATIONS = 100

WHOLE = 1e-3
"""Relative distance from a whole number within which N is that number."""

FITTING = 1e-8
"""Squared relative residual of a solution; wrong labels leave 1e-2 and more."""


@dataclass(frozen=True)
class Unmixed:
    """Samples without a kink.

    Attributes:
        rows: P (k x k).
        labels: of each (k).
        errors: relative error of each input that the equations leave possible (k).
    """

    rows: Tensor
    labels: Tensor
    errors: Tensor


def unmixed(
    chain: LayerChain, rest: PairProblem, batch_size: float, generator: torch.Generator
) -> Unmixed | None:
    """Find the samples of a layer pair of which none has a kink.

    Args:
        chain: the pair and the layers behind it, up to the logits of the cross-entropy.
        rest: of the pair, with k >= 2 samples.
        batch_size: N, by which the mean loss divides.
        generator: of the starts.

    Returns:
        None if no choice of labels explains the gradients.
    """
    space, chain = RowSpace.of(rest), _in_float64(chain)
    for labels in _likely_labels(chain, rest, space, batch_size):
        equations = _Equations(chain, rest, space, labels, batch_size)
        starts = torch.stack([space.random(rest.b, generator) for _ in range(STARTS)])
        starts[: STARTS // 2] *= torch.linspace(0, 1, STARTS // 2).to(starts)[:, None, None]
        starts[: STARTS // 2] += equations.start()
        points, costs = minimise(equations, starts.flatten(1), ITERATIONS, 0.0, FITTING)
        best = int(costs.argmin())
        if float(costs[best]) < FITTING:
            return equations.solution(points[best])
    return None


def labels_by_gradients(
    chain: LayerChain, inputs: Tensor, gradients: Tensor
) -> tuple[Tensor, float | None]:
    """Return the label of each known sample, and N, the median of what their gradients give.

    Args:
        chain: the pair and the layers behind it.
        inputs: of the pair (f x n, float64).
        gradients: dL/dZ of each (f x m).

    Returns:
        Labels (f); None for N without samples.
    """
    classes = len(chain.layers[-1].weight)
    eye = torch.eye(classes).to(inputs)
    labels, sizes = [], []
    for x, column in zip(inputs, gradients, strict=True):
        computed = gradients_of_layers(chain, 0, x.expand(classes, -1), eye)[0]
        products = (computed @ column) / (column @ column)
        cosines = products / torch.linalg.vector_norm(computed, dim=1)
        labels.append(int(cosines.argmax()))
        sizes.append(float(products[labels[-1]]))
    found = torch.tensor(labels, dtype=torch.long, device=inputs.device)
    if not sizes:
        return found, None
    size = sorted(sizes)[len(sizes) // 2]
    whole = round(size)
    return found, float(whole) if abs(size - whole) < WHOLE * size else size


class _Equations:
    """L - sum over i of d_i(p_i) p_i^T, relative to L, of points P in coordinates of the plane.

    Columns of L count by their errors, as in `spear.inversion.pair.joint_fit`.

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
        self._labels, self._batch_size = labels, batch_size
        self._hard = torch.nn.functional.one_hot(labels, len(chain.layers[-1].weight)).to(rest.left)
        weights = rest.first.singular_values / rest.first.singular_values.amax()
        self._columns = weights / torch.linalg.vector_norm(rest.left * weights)

    def start(self) -> Tensor:
        """Coordinates of the rows if all samples were alike but for their labels (k x (k - 1))."""
        rows = self._space.point.expand(self._rest.b, -1)
        rows = torch.linalg.pinv(self._gradients(rows).T, rtol=1e-3) @ self._rest.left
        return self._space.coordinates(rows)

    def residual(self, point: Tensor) -> Tensor:
        """Residuals of one point (k (k - 1)); m k."""
        rows = self._space.rows(point.view(self._rest.b, -1))
        return ((self._rest.left - self._gradients(rows).T @ rows) * self._columns).flatten()

    def cost(self, points: Tensor) -> Tensor:
        """Implement `Objective.cost`."""
        return vmap(self.residual)(points).square().sum(dim=1)

    def normal_equations(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Implement `Objective.normal_equations`."""
        jacobians, residuals = vmap(jacfwd(self.residual))(points), vmap(self.residual)(points)
        return jacobians.mT @ jacobians, (residuals[:, None, :] @ jacobians)[:, 0]

    def solution(self, point: Tensor) -> Unmixed:
        """The samples of a point that fits."""
        k = self._rest.b
        rows = self._space.rows(point.view(k, -1))
        residual, jacobian = self.residual(point), jacfwd(self.residual)(point)
        values = self._rest.first.singular_values
        noise = self._rest.first_error * len(self._rest.first.left) ** 0.5 / values.amax()
        deviation = max(
            float(residual.square().mean().sqrt()),
            noise * float(self._columns.amax()),
        )
        spread = torch.linalg.pinv(jacobian) * deviation  # a column for each equation's error
        moved = spread.view(k, k - 1, -1).mT @ self._space.basis.T * values
        lengths = torch.linalg.vector_norm(rows * values, dim=1)
        errors = DEVIATIONS * torch.linalg.vector_norm(moved, dim=(1, 2)) / lengths
        return Unmixed(rows, self._labels, errors)

    def _gradients(self, rows: Tensor) -> Tensor:
        return _first_gradients(self._chain, self._rest, rows, self._hard) / self._batch_size


def _first_gradients(chain: LayerChain, rest: PairProblem, rows: Tensor, hard: Tensor) -> Tensor:
    """dL/dZ of rows p and labels, without 1/N (k x m)."""
    z = rest.pre_activations(rows)
    behind = gradients_of_layers(chain, 1, rest.activation.value(z), hard)[1]
    return rest.activation.slope(z) * (behind @ chain.layers[1].weight)


def _likely_labels(
    chain: LayerChain, rest: PairProblem, space: RowSpace, batch_size: float
) -> list[Tensor]:
    """Choices of k labels, the likeliest first, by the bias gradient of all samples together."""
    classes = len(chain.layers[-1].weight)
    eye = torch.eye(classes).to(rest.left)
    parts = _first_gradients(chain, rest, space.point.expand(classes, -1), eye)
    wanted = rest.left @ rest.first.bias_coordinates * batch_size
    shares = torch.from_numpy(nnls(parts.T.cpu().numpy(), wanted.cpu().numpy())[0])
    chosen = shares.argsort(descending=True)[: rest.b + MORE].tolist()
    choices = torch.tensor(
        list(islice(combinations_with_replacement(chosen, rest.b), CHOICES)), device=wanted.device
    )
    rests = torch.linalg.vector_norm(parts[choices].sum(dim=1) - wanted, dim=1)
    return list(choices[rests.argsort()[:TRIED]])


def _in_float64(chain: LayerChain) -> LayerChain:
    layers = tuple(
        Link(
            each.weight.double(),
            None if each.bias is None else each.bias.double(),
            each.weight_gradient,
            each.bias_gradient,
        )
        for each in chain.layers
    )
    return replace(chain, layers=layers)
