"""Samples without a kink, told apart by the loss.

Let all z of k samples lie in one linear piece of sigma. Their gradients in the pair are the same
for X T and D T^-T with every k x k matrix T whose columns sum to 1. With the layers up to the
outputs and the cross-entropy, D = dL/dZ follows from X and the labels: row d_i of sample i is

    d_i(p_i) = sigma'(z_i) * (W2^T g(u_i, y_i)) / N,   u_i = W2 sigma(M p_i + c1) + c2,

with g the gradient of a sample's loss in the next layer's outputs u. So L = sum over i of d_i p_i^T
has m k equations in the k (k - 1) unknowns of P with P s = 1, which are those of T. The bias
gradient ranks the choices of labels.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement, islice

import torch
from scipy.optimize import nnls
from torch import Tensor

from spear.budget import Budget
from spear.inversion.network.mixture_equations import MixtureEquations, gradients_of_rows
from spear.inversion.network.reproduction import gradients_of_layers, in_float64
from spear.inversion.pair.levenberg_marquardt import minimise
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace
from spear.observation import LayerChain

STARTS = 16
"""Starts for each choice of labels."""

TRIED = 12
"""Choices of labels that are tried, the likeliest first."""

MORE = 3
"""Classes beyond k among which labels are chosen."""

CHOICES = 20_000
"""Choices of labels that are ranked at most."""

ITERATIONS, ROUNDED = 100, 40
"""Steps of a descent, and of one with rounded corners."""

FEWEST = 4
"""Starts that go on: half of them do after each descent."""

HOPELESS = 1e-2
"""Squared relative residual, with rounded corners, above which the labels are wrong: with the right
ones it is 2e-3 at most."""

WIDTHS = (0.1, 0.03, 0.01, 0.003)
"""How wide the descents round the corners of the activation, one after the other, in deviations of
z. A few samples have a neuron or two beyond a kink, which the exact equations do not let move."""

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
    """

    rows: Tensor
    labels: Tensor


def unmixed(
    chain: LayerChain,
    rest: PairProblem,
    batch_size: float,
    generator: torch.Generator,
    budget: Budget,
) -> Unmixed | None:
    """Find the samples of a layer pair of which none has a kink.

    Args:
        chain: the pair and the layers behind it, up to the logits of the cross-entropy.
        rest: of the pair, with k >= 2 samples.
        batch_size: N, by which the mean loss divides.
        generator: of the starts.
        budget: after which no further labels are tried.

    Returns:
        None if no choice of labels explains the gradients.
    """
    space, chain = RowSpace.of(rest), in_float64(chain)
    for labels in _likely_labels(chain, rest, space, batch_size):
        equations = MixtureEquations(chain, rest, space, labels, batch_size)
        starts = torch.stack([space.random(rest.b, generator) for _ in range(STARTS)])
        starts[: STARTS // 2] *= torch.linspace(0, 1, STARTS // 2).to(starts)[:, None, None]
        starts[: STARTS // 2] += equations.start()
        point = _descended(equations, starts)
        if point is not None:
            return Unmixed(equations.rows(point), labels)
        if budget.over():
            break
    return None


def _descended(equations: MixtureEquations, starts: Tensor) -> Tensor | None:
    """The solution that most starts lead to (k (k - 1)); None if the labels are wrong."""
    points, deviation = starts.flatten(1), equations.deviation(starts)
    for width in WIDTHS:
        rounded = equations.rounded(width * deviation)
        points, costs = minimise(rounded, points, ROUNDED, 0.0, FITTING)
        points = points[costs.argsort()[: max(FEWEST, len(points) // 2)]]
        if float(costs.min()) > HOPELESS:
            return None
    points, costs = minimise(equations, points, ITERATIONS, 0.0, FITTING)
    return points[int(costs.argmin())] if float(costs.min()) < FITTING else None


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


def _likely_labels(
    chain: LayerChain, rest: PairProblem, space: RowSpace, batch_size: float
) -> list[Tensor]:
    """Choices of k labels, the likeliest first, by the bias gradient of all samples together."""
    classes = len(chain.layers[-1].weight)
    eye = torch.eye(classes).to(rest.left)
    parts = gradients_of_rows(chain, rest, space.point.expand(classes, -1), eye)
    wanted = rest.left @ rest.first.bias_coordinates * batch_size
    shares = torch.from_numpy(nnls(parts.T.cpu().numpy(), wanted.cpu().numpy())[0])
    chosen = shares.argsort(descending=True)[: rest.b + MORE].tolist()
    choices = torch.tensor(
        list(islice(combinations_with_replacement(chosen, rest.b), CHOICES)), device=wanted.device
    )
    rests = torch.linalg.vector_norm(parts[choices].sum(dim=1) - wanted, dim=1)
    return list(choices[rests.argsort()[:TRIED]])
