"""Samples behind an activation that is a line on one side, by the neurons on that side.

Above its corner a SELU has the constant slope l, and backward consistency is linear there:

    L q - l V e = 0   for each neuron with z above the corner.

So r = [L, -l V] (q, e) vanishes on about half of the neurons: a sparse vector in a known subspace
of b + r dimensions, which says nothing of p. IRLS on the sphere |r| = 1 finds it, as
`spear.inversion.descent.sphere` finds zeros of L q. Pre-activations that a candidate predicts weigh
its neurons. Below the corner the slope is (L q)_j / (V e)_j, which gives z, and p is the least
squares solution of z = M p + c1 on those neurons.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.inversion.descent.activation_weights import activation_weights
from spear.inversion.descent.sphere import RIDGE, sparsity_weights
from spear.inversion.descent.starts import EXPONENTS, Starts, random_starts
from spear.inversion.directions.distinct import SAME_EXACT, is_distinct
from spear.inversion.directions.exact import SEARCH_DTYPE
from spear.inversion.factors.gram import TRUE_KERNEL, Grams, inverse_iteration, unit
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.backward_search import FITTING
from spear.inversion.pair.beside import beside_common
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace, distinct_rows, mutually_consistent
from spear.inversion.pair.search import MOST_STARTS

ITERATIONS, SHRINKING = 60, 0.87
"""Iterations, and the factor on the smoothing in each: to 2e-4, slowly, as there are few zeros."""

SHARPNESS = (0.0, 2.0)
"""beta of the activation weights."""

REFINING, FASTER = 16, 0.5
"""Iterations and factor from there on, in float64, of the ends that are sparse: to 4e-9."""

ZERO = 1e-2
"""|r| of a neuron, relative to the root mean square, that a float32 search may leave of 0."""

TRUE_ZERO = 1e-5
"""The same after refinement."""

SPARE = 4
"""Zeros beyond the b + r - 1 that determine a direction, so that none looks like one by chance."""


@dataclass(frozen=True)
class LinearSide:
    """The neurons of a layer pair in coordinates y of (q, e) in which |y| = 1 means |r|^2 = m.

    Attributes:
        system: r = system y (m x d).
        turn: (q, e) = turn y (d x d).
        predictor, sums, base: predicted z = predictor y / (sums . y) + base (m x d, d, m), beyond
            the corner.
    """

    system: Tensor
    turn: Tensor
    predictor: Tensor
    sums: Tensor
    base: Tensor

    @classmethod
    def of(cls, problem: PairProblem) -> "LinearSide":
        """Return those of a problem with an activation that `suits`."""
        activation, first = problem.activation, problem.first
        above = torch.full_like(first.bias, activation.linear_from + 1)
        slopes = activation.slope(above)[:, None]
        matrix = torch.cat([problem.left, -slopes * problem.back], dim=1)
        vectors, values, mixing = torch.linalg.svd(matrix, full_matrices=False)
        size = problem.m**0.5
        turn = mixing.T / values * size
        rows = beside_common(problem, turn[: problem.b].T)
        predictor = first.projected_weight @ rows.T
        base = first.bias - activation.linear_from
        return cls(vectors * size, turn, predictor, rows @ first.bias_coordinates, base)

    @property
    def enough(self) -> int:
        """Zeros of r that tell a true solution."""
        return self.system.shape[1] - 1 + SPARE

    def searched(self, generator: torch.Generator) -> Tensor:
        """Different y whose r is zero wherever it is near 0, from random starts (k x d)."""
        size = self.system.shape[1]
        starts = random_starts(MOST_STARTS, size, EXPONENTS, SHARPNESS, generator, SEARCH_DTYPE)
        ends = self._descended(starts).double()
        ends = ends[((ends @ self.system.T).abs() < ZERO).sum(dim=1) >= self.enough]
        if len(ends) == 0:
            return ends
        ends = self._refined(ends)
        ends = ends[((ends @ self.system.T).abs() < TRUE_ZERO).sum(dim=1) >= self.enough]
        return ends[is_distinct(ends, SAME_EXACT)]

    def _descended(self, starts: Starts) -> Tensor:
        """Ends of IRLS in the precision of the search."""
        system, predictor, sums, base = (
            each.to(SEARCH_DTYPE) for each in (self.system, self.predictor, self.sums, self.base)
        )
        grams, points, smoothing = Grams(system), unit(starts.directions), 1.0
        for _ in range(ITERATIONS):
            z = points @ predictor.T / (points @ sums)[:, None] + base
            weights = sparsity_weights(points @ system.T, starts.exponents, smoothing)
            weights -= activation_weights(z, starts.sharpness)  # large on the side of the line
            points = inverse_iteration(grams(weights.exp_()), points, RIDGE)
            smoothing *= SHRINKING
        return points

    def _refined(self, points: Tensor) -> Tensor:
        """IRLS without regard to z, to float64's precision."""
        grams, smoothing = Grams(self.system), SHRINKING**ITERATIONS
        exponents = torch.full_like(points[:, :1], min(EXPONENTS))
        for _ in range(REFINING):
            weights = sparsity_weights(points @ self.system.T, exponents, smoothing)
            weights -= weights.amax(dim=1, keepdim=True)
            points = inverse_iteration(grams(weights.exp_()), points, TRUE_KERNEL)
            smoothing *= FASTER
        return points


def suits(activation: Elementwise) -> bool:
    """Tell whether an activation is a line above its only corner, and bent below."""
    return math.isfinite(activation.linear_from) and len(activation.corners) == 1


def half_linear_round(problem: PairProblem, generator: torch.Generator) -> tuple[Samples, int]:
    """Search once for samples of a problem.

    Args:
        problem: with an activation that `suits`.
        generator: of the starts, on the problem's device.

    Returns:
        Samples that fit together, and the number of starts made.
    """
    side = LinearSide.of(problem)
    ends = side.searched(generator)
    solutions, bent = ends @ side.turn.T, (ends @ side.system.T).abs() > TRUE_ZERO
    rows = _rows(problem, solutions[:, : problem.b], solutions[:, problem.b :], bent)
    samples, residuals = samples_of_rows(problem, distinct_rows(rows))
    samples = samples[(residuals < FITTING).nonzero()[:, 0]]
    return samples[mutually_consistent(problem, samples)], MOST_STARTS


def _rows(problem: PairProblem, directions: Tensor, nexts: Tensor, bent: Tensor) -> Tensor:
    """Rows p by least squares from z of the bent neurons (k x m), for (q, e) of any length (k x b).

    An error of L q means one of it / |L q| in z, so that each neuron counts with |L q|.
    """
    space = RowSpace.of(problem)
    columns, behind = directions @ problem.left.T, nexts @ problem.back.T
    z = problem.activation.bent(columns / behind)
    weights = torch.where(bent & ~z.isnan(), columns.abs(), 0.0)
    predictor = problem.first.projected_weight @ space.basis
    base = problem.pre_activations(space.point)
    systems = weights[:, :, None] * predictor
    right = weights * (z.nan_to_num(0.0) - base)
    coordinates = torch.linalg.lstsq(systems, right[:, :, None]).solution[:, :, 0]
    return space.rows(coordinates.nan_to_num(0.0))
