"""Samples by backward consistency, where the next layer has fewer outputs than the batch inputs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.forward_search import subset
from spear.inversion.pair.levenberg_marquardt import NEARLY_NEWTON, minimise
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace, distinct_rows, mutually_consistent
from spear.inversion.pair.tolerance import POSSIBLE, backward_errors, squared

STARTS = 48
"""Starts a round."""

NEURONS = 4.0
"""Neurons in a subset: this many times b, and r and a few more."""

ITERATIONS, POLISHING = 60, 4

ARRIVED, PROMISING, SOLVED = 1e-24, 1e-6, 1e-7
"""Squared relative residuals as in `forward_search`."""

ROUNDED = 1e-13
"""Squared relative residual that float32 leaves of a solution."""

VALLEY = 100
"""Steps along a valley: mixtures of a few samples are nearly solutions if there are few classes."""

NORMALISED = 0.3
"""Weight of the equation that fixes the scale of q."""

ALIGNING = 3
"""Power iterations that turn a random direction towards the range of sigma'(z) * V."""

FITTING = 1e-3
"""Relative residual, on all neurons, of a solution."""


@dataclass(frozen=True)
class BackwardConsistency:
    """The residual L q - sigma'(M p + c1) * (V e) along p = p0 + N v, and that of |L q|^2 = m'.

    A point is (q, v, e), of b, d and r entries.

    Attributes:
        left: L on the chosen neurons, whitened (m' x b).
        predictor: M N on them (m' x d).
        base: M p0 + c1 on them (m').
        back: V on them (m' x r).
        activation: sigma on them.
    """

    left: Tensor
    predictor: Tensor
    base: Tensor
    back: Tensor
    activation: Elementwise

    def cost(self, points: Tensor) -> Tensor:
        """Sum of squares; m' for q = p = 0, so that it is relative to m'."""
        q, v, e = self.parts(points)
        columns = q @ self.left.T
        residual = columns - self.activation.slope(v @ self.predictor.T + self.base) * (
            e @ self.back.T
        )
        return residual.square().sum(dim=1) + self._scale(columns).square()

    def normal_equations(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Implement `Objective.normal_equations`."""
        residual, jacobian, scaled, scale = self._linearised(points)
        matrices = jacobian.mT @ jacobian + scaled[:, :, None] * scaled[:, None, :]
        gradients = (residual[:, None, :] @ jacobian)[:, 0]
        return matrices, gradients + scaled * scale[:, None]

    def linearised(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Residuals (K x (m' + 1)) and their Jacobians (K x (m' + 1) x (b + d + r))."""
        residual, jacobian, scaled, scale = self._linearised(points)
        residuals = torch.cat([residual, scale[:, None]], dim=1)
        return residuals, torch.cat([jacobian, scaled[:, None, :]], dim=1)

    def _linearised(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Residuals and Jacobians of the consistency; Jacobian and residual of the length of q."""
        q, v, e = self.parts(points)
        z = v @ self.predictor.T + self.base
        slopes, behind, columns = self.activation.slope(z), e @ self.back.T, q @ self.left.T
        curved = self.activation.curvature(z) * behind
        jacobian = torch.cat(
            [
                self.left.expand(len(points), -1, -1),
                -curved[:, :, None] * self.predictor,
                -slopes[:, :, None] * self.back,
            ],
            dim=2,
        )
        scaled = torch.zeros_like(points)
        scaled[:, : self.left.shape[1]] = columns @ self.left
        scaled *= 2 * NORMALISED / len(self.base) ** 0.5
        return columns - slopes * behind, jacobian, scaled, self._scale(columns)

    def parts(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """q, v and e of points (K x (b + d + r))."""
        b, d = self.left.shape[1], self.predictor.shape[1]
        return points[:, :b], points[:, b : b + d], points[:, b + d :]

    def start(self, v: Tensor, aims: Tensor) -> Tensor:
        """Points of given v, with q near the aims (K x b) and near the range of sigma'(z) * V."""
        behind = self._behind(v)
        spaces = torch.linalg.qr(behind).Q
        columns, triangle = torch.linalg.qr(self.left)
        overlaps = spaces.mT @ columns
        for _ in range(ALIGNING):
            aims = ((aims[:, None, :] @ overlaps.mT) @ overlaps)[:, 0]
        q = torch.linalg.solve_triangular(triangle, aims.T, upper=True).T
        return self._completed(q, v, behind)

    def point(self, samples: Samples, v: Tensor) -> Tensor:
        """Points of samples with given v."""
        return self._completed(samples.directions, v, self._behind(v))

    def _behind(self, v: Tensor) -> Tensor:
        slopes = self.activation.slope(v @ self.predictor.T + self.base)
        return slopes[:, :, None] * self.back

    def _completed(self, q: Tensor, v: Tensor, behind: Tensor) -> Tensor:
        """Points of q, in the right length, and v, with e by least squares."""
        columns = q @ self.left.T
        sizes = torch.linalg.vector_norm(columns, dim=1, keepdim=True) / len(self.base) ** 0.5
        sizes = sizes.clamp(min=torch.finfo(sizes.dtype).tiny)  # 0 if every neuron is saturated
        e = torch.linalg.lstsq(behind, (columns / sizes)[:, :, None]).solution[:, :, 0]
        return torch.cat([q / sizes, v, e], dim=1)

    def _scale(self, columns: Tensor) -> Tensor:
        m = len(self.base)
        return NORMALISED * m**0.5 * (columns.square().sum(dim=1) / m - 1)


def backward_round(
    problem: PairProblem, generator: torch.Generator, slack: float = 1.0
) -> tuple[Samples, int]:
    """Search once for samples of a problem.

    Args:
        problem: any layer pair with a smooth activation.
        generator: of starts and subsets, on the problem's device.
        slack: factor on the squared residuals up to which samples are taken for right.

    Returns:
        Samples that fit together, and the number of starts made.
    """
    space = RowSpace.of(problem)
    neurons = subset(problem, NEURONS + problem.r / problem.b, generator)
    count = len(neurons)
    objective = on_neurons(problem, space, neurons)
    v = space.random(STARTS, generator)
    aims = torch.randn(STARTS, problem.b, generator=generator, dtype=v.dtype, device=v.device)
    starts = objective.start(v, aims)
    points, costs = minimise(objective, starts, ITERATIONS, ARRIVED * count, PROMISING * count)
    best = costs.argsort()
    limits = slack * solution_squares(objective, space, problem, points[best])
    best = best[costs[best] < limits * count]
    _, v, _ = objective.parts(points[best])
    samples, residuals = samples_of_rows(problem, distinct_rows(space.rows(v)))
    fitting = (POSSIBLE * backward_errors(problem, samples)).clamp(min=slack**0.5 * FITTING)
    samples = samples[residuals < fitting]
    return samples[mutually_consistent(problem, samples)], STARTS


def backward_renewed(problem: PairProblem, samples: Samples) -> Samples:
    """Solve nearly right samples again, on all neurons; those that are right, in their order."""
    space = RowSpace.of(problem)
    objective = on_neurons(problem, space)
    starts = objective.point(samples, space.coordinates(samples.rows))
    m = problem.m
    points, costs = minimise(
        objective, starts, POLISHING, ARRIVED * m, PROMISING * m, NEARLY_NEWTON
    )
    if not problem.noisy:
        in_valley = (costs > ROUNDED * m).nonzero()[:, 0]
        points[in_valley], costs[in_valley] = minimise(
            objective, points[in_valley], VALLEY, ARRIVED * m, 0.0
        )
    limits = solution_squares(objective, space, problem, points) * m
    _, v, _ = objective.parts(points[costs < limits])
    return samples_of_rows(problem, space.rows(v))[0]


def solution_squares(
    objective: BackwardConsistency, space: RowSpace, problem: PairProblem, points: Tensor
) -> Tensor:
    """Squared relative residuals up to which points may be solutions, whatever the noise."""
    q, v, e = objective.parts(points)
    scale = (problem.m * problem.r) ** 0.5 / torch.linalg.vector_norm(problem.back)
    errors = backward_errors(problem, Samples(space.rows(v), q, e * scale))
    return squared(errors, POSSIBLE, SOLVED)


def on_neurons(
    problem: PairProblem, space: RowSpace, neurons: Tensor | None = None
) -> BackwardConsistency:
    """Backward consistency of the rows of a space, on neurons given by their indices, or on all."""
    if neurons is None:
        neurons = torch.arange(problem.m, device=problem.left.device)
    back = problem.back / torch.linalg.vector_norm(problem.back) * (problem.m * problem.r) ** 0.5
    return BackwardConsistency(
        left=problem.left[neurons],
        predictor=problem.first.projected_weight[neurons] @ space.basis,
        base=problem.pre_activations(space.point)[neurons],
        back=back[neurons],
        activation=problem.activation.of(neurons),
    )
