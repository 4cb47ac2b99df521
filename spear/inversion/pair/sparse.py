"""The engine for ReLU: sparse directions by descent, each certified by forward consistency.

The zeros of L q are the neurons that the sample leaves inactive. With these known, the activations
are linear in the row p, so that forward consistency is a linear least squares problem: one solve
gives p, and a residual that is at rounding for a true direction and 0.3 and more for a mixture.
"""

import torch
from torch import Tensor

from spear.inversion.descent.coordinates import Frame, build_frame
from spear.inversion.descent.starts import EXPONENTS, SHARPNESS, Starts, random_starts, start_count
from spear.inversion.directions.distinct import SAME_DESCENDED, SAME_EXACT, distinct
from spear.inversion.directions.exact import SEARCH_DTYPE, Polish
from spear.inversion.factors.gram import unit
from spear.inversion.pair.certificate import NEURONS, certified_rows
from spear.inversion.pair.finish import determined_by_zeros, inactive, kernels
from spear.inversion.pair.forward_search import evenly_spaced, solved_rows
from spear.inversion.pair.guided import Guide
from spear.inversion.pair.likely import likely
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import mutually_consistent
from spear.inversion.pair.search import MOST_STARTS
from spear.inversion.pair.sparse_descent import sparse_ends

PRIORS = (1.0, 2.0, 0.0)
"""a of the row prior of the search's coordinates, cycled through the rounds."""

KEPT = 1e-4
"""Ridge of a renewed e around the known one, relative to the mean eigenvalue."""

GUIDED_BELOW = 4.5
"""Neurons a sample from which so many starts hit that guiding them does not pay."""


class SparseEngine:
    """Descends to the directions on which L vanishes most often."""

    def __init__(self) -> None:
        self._rounds = 0

    def search(
        self, problem: PairProblem, generator: torch.Generator, slack: float = 1.0
    ) -> tuple[Samples, int]:
        """Implement `Engine.search`."""
        if problem.b == 1:
            return _sole(problem), 0
        first = problem.first
        frame = build_frame(first, PRIORS[self._rounds % len(PRIORS)], SEARCH_DTYPE)
        self._rounds += 1
        count = min(MOST_STARTS, start_count(first.b))
        starts = random_starts(count, first.b, EXPONENTS, SHARPNESS, generator, SEARCH_DTYPE)
        starts = Starts(unit(starts.directions), starts.exponents, starts.sharpness)
        found = _descended(problem, frame, starts)
        exact = self.exact(problem, distinct(frame.leave(found), SAME_DESCENDED))
        return _certified(problem, distinct(exact, SAME_EXACT), generator), count

    def exact(self, problem: PairProblem, ends: Tensor) -> Tensor:
        """Return the exact directions worth certifying among ends of descents (k x b)."""
        return Polish(problem.first)(ends)

    def renewed(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.renewed`: each direction is the kernel of its inactive neurons.

        With too few of these it stays as it was found when fewer samples were left.
        """
        if problem.noisy:
            rows, _ = solved_rows(problem, samples.rows)
            found = samples_of(problem, rows, kernels(problem, rows))
            return found[likely(problem, found)]
        neurons = evenly_spaced(problem, NEURONS)  # enough for rows from which the pieces follow
        rows, kept = solved_rows(problem, samples.rows, neurons)
        told = determined_by_zeros(problem, rows)[:, None]
        directions = torch.where(told, kernels(problem, rows), samples.directions[kept])
        return samples_of(problem, rows, directions, samples.next_coordinates[kept])

    def sharpened(self, problem: PairProblem, samples: Samples) -> Samples:
        """Implement `Engine.sharpened`: their pieces leave nothing in doubt."""
        return self.renewed(problem, samples)


def _descended(problem: PairProblem, frame: Frame, starts: Starts) -> Tensor:
    """The ends of the starts; where few would hit, guided by forward consistency."""
    guided = len(frame.left) < GUIDED_BELOW * problem.b
    return sparse_ends(frame, starts, Guide.of(problem, frame) if guided else None)


def _certified(problem: PairProblem, directions: Tensor, generator: torch.Generator) -> Samples:
    """Samples of those directions (k x b) that are right and fit together."""
    noise = problem.first.noise
    active = torch.zeros(len(directions), problem.m, dtype=torch.bool, device=directions.device)
    tolerance = noise.not_zero * noise.deviation(directions.T).T
    active[:, problem.first.active] = (directions @ problem.first.left.T).abs() > tolerance
    slopes = active.to(directions.dtype)
    rows, right = certified_rows(problem, slopes, torch.zeros_like(slopes), generator)
    directions = _with_the_zeros_of_rows(problem, rows, directions[right], active[right])
    samples = samples_of(problem, rows, directions)
    return samples[mutually_consistent(problem, samples)]


def _with_the_zeros_of_rows(
    problem: PairProblem, rows: Tensor, directions: Tensor, active: Tensor
) -> Tensor:
    """Replace directions whose zeros are not those of their certified rows (k x b).

    The certificate corrects misjudged neurons, and so finds the row of a direction that is not
    quite right.
    """
    if problem.noisy:  # there zeros of L q are the better witness
        return directions
    contradicted = (inactive(problem, rows) & active[:, problem.first.active]).any(dim=1)
    wrong = contradicted & determined_by_zeros(problem, rows)
    if not bool(wrong.any()):
        return directions
    return torch.where(wrong[:, None], kernels(problem, rows), directions)


def samples_of(
    problem: PairProblem, rows: Tensor, directions: Tensor, nexts: Tensor | None = None
) -> Samples:
    """Return samples of rows, directions of any length, and e by least squares where they act.

    Args:
        problem: of the samples.
        rows, directions: k x b each.
        nexts: e as known so far (k x r), which stays where too few neurons act to tell more.
    """
    directions = directions / (rows * directions).sum(dim=1, keepdim=True)
    z = problem.pre_activations(rows)
    slopes = problem.activation.slope(z) * problem.decided(rows, z)
    neurons = slice(None) if problem.noisy else evenly_spaced(problem, NEURONS)
    systems = slopes[:, neurons, None] * problem.back[neurons]
    right = directions @ problem.left[neurons].T
    matrices = systems.mT @ systems
    if nexts is not None:
        right = right - (systems @ nexts[:, :, None])[:, :, 0]
        diagonal = matrices.diagonal(dim1=1, dim2=2)
        diagonal += KEPT * diagonal.mean(dim=1, keepdim=True)
    factor, info = torch.linalg.cholesky_ex(matrices)
    found = torch.cholesky_solve((right[:, None, :] @ systems).mT, factor)[:, :, 0]
    found = torch.where((info == 0)[:, None], found, 0.0)
    return Samples(rows, directions, found if nexts is None else nexts + found)


def _sole(problem: PairProblem) -> Samples:
    """The sample of a batch of one: s = q and s . p = 1."""
    direction = problem.first.bias_coordinates[None]
    return samples_of(problem, 1 / direction, direction)
