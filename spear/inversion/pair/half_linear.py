"""Samples behind an activation that is a line on one side, by the neurons on that side.

Above its corner a SELU has the constant slope l, and backward consistency is linear there:

    L q - l V e = 0   for each neuron with z above the corner.

So r = [L, -l V] (q, e) vanishes on about half of the neurons: a sparse vector in a known subspace
of b + r dimensions, which says nothing of p. IRLS on the sphere |r| = 1 finds it, as
`spear.inversion.descent.sphere` finds zeros of L q. Below the corner the slope is (L q)_j / (V e)_j,
which gives z, and p is the least squares solution of z = M p + c1 on those neurons.
"""

import math

import torch
from torch import Tensor

from spear.activations.elementwise import Elementwise
from spear.inversion.descent.sphere import RIDGE, sparsity_weights
from spear.inversion.descent.starts import EXPONENTS, random_starts
from spear.inversion.directions.distinct import SAME_EXACT, is_distinct
from spear.inversion.directions.exact import SEARCH_DTYPE
from spear.inversion.factors.gram import TRUE_KERNEL, Grams, inverse_iteration, unit
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.backward_search import FITTING
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import RowSpace, distinct_rows, mutually_consistent
from spear.inversion.pair.search import MOST_STARTS

ITERATIONS, SHRINKING = 60, 0.87
"""Iterations, and the factor on the smoothing in each: to 2e-4, slowly, as there are few zeros."""

REFINING, FASTER = 16, 0.5
"""The same from there on, in float64, of the ends that are sparse: to 4e-9."""

ZERO = 1e-2
"""|r| of a neuron, relative to the root mean square, that a float32 search may leave of 0."""

TRUE_ZERO = 1e-5
"""The same after refinement."""

SPARE = 4
"""Zeros beyond the b + r - 1 that determine a direction, so that a chance does not look like one."""


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
    system, turn = _whitened(problem)
    if problem.m < system.shape[1] + SPARE:
        return Samples.nothing(problem), MOST_STARTS
    ends = _sparse_ends(system, generator)
    solutions, bent = ends @ turn.T, (ends @ system.T).abs() > TRUE_ZERO
    rows = _rows(problem, solutions[:, : problem.b], solutions[:, problem.b :], bent)
    samples, residuals = samples_of_rows(problem, distinct_rows(rows))
    samples = samples[(residuals < FITTING).nonzero()[:, 0]]
    return samples[mutually_consistent(problem, samples)], MOST_STARTS


def _whitened(problem: PairProblem) -> tuple[Tensor, Tensor]:
    """Columns of mean square 1 that span r (m x (b + r)), and the map from them to (q, e)."""
    activation = problem.activation
    above = torch.full_like(problem.first.bias, activation.linear_from + 1)
    slopes = activation.slope(above)[:, None]
    matrix = torch.cat([problem.left, -slopes * problem.back], dim=1)
    vectors, values, mixing = torch.linalg.svd(matrix, full_matrices=False)
    size = problem.m**0.5
    return vectors * size, mixing.T / values * size


def _sparse_ends(system: Tensor, generator: torch.Generator) -> Tensor:
    """Different unit vectors x for which system x is zero where it is near 0 (k x (b + r))."""
    dimension = system.shape[1]
    starts = random_starts(MOST_STARTS, dimension, EXPONENTS, (1.0,), generator, SEARCH_DTYPE)
    ends = _descended(
        system.to(SEARCH_DTYPE), unit(starts.directions), starts.exponents, 1.0, SHRINKING
    ).double()
    zeros = ((ends @ system.T).abs() < ZERO).sum(dim=1)
    promising = zeros >= dimension - 1 + SPARE
    if not bool(promising.any()):
        return ends[:0]
    exponents = torch.full_like(ends[promising][:, :1], min(EXPONENTS))
    smoothing = SHRINKING**ITERATIONS
    ends = _descended(system, ends[promising], exponents, smoothing, FASTER, REFINING)
    zeros = ((ends @ system.T).abs() < TRUE_ZERO).sum(dim=1)
    ends = ends[zeros >= dimension - 1 + SPARE]
    return ends[is_distinct(ends, SAME_EXACT)]


def _descended(
    system: Tensor,
    points: Tensor,
    exponents: Tensor,
    smoothing: float,
    shrinking: float,
    iterations: int = ITERATIONS,
) -> Tensor:
    """Unit vectors after IRLS for sparse `system` x (K x d), from some of them."""
    grams = Grams(system)
    ridge = RIDGE if system.dtype == SEARCH_DTYPE else TRUE_KERNEL
    for _ in range(iterations):
        weights = sparsity_weights(points @ system.T, exponents, smoothing)
        weights -= weights.amax(dim=1, keepdim=True)
        points = inverse_iteration(grams(weights.exp_()), points, ridge)
        smoothing *= shrinking
    return points


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
