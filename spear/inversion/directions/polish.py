"""From an approximate direction to the exact one: the kernel of all rows on which it vanishes."""

import torch
from torch import Tensor

from spear.inversion.directions.refinement import stands_without_any_row
from spear.inversion.factors.factorization import Decomposition
from spear.inversion.factors.gram import TRUE_KERNEL, Grams, inverse_iteration

SMOOTHING = (1e-3, 1e-4, 1e-5)
"""Scales at which entries of L q count less and less, before any is called a zero."""

FIRST_ZERO = 3e-5
"""Largest entry that the first choice of zero rows takes in, whatever the noise."""

KERNEL_ITERATIONS = 2

SAME = 1e-5
"""Angle below which two exact directions are one."""

PROMISING = 1e-2
"""Entries of L q below this may become zeros."""


class Polish:
    """Makes directions exact and tells which are worth keeping. All in float64.

    Args:
        problem: the factorised observation.
    """

    def __init__(self, problem: Decomposition) -> None:
        self.problem = problem
        self.grams = Grams(problem.left)

    def __call__(self, directions: Tensor) -> Tensor:
        """The exact directions worth keeping among what the search found (k x b to k' x b).

        IRLS goes on in float64 with w = e^2 / (y^2 + e^2), the weight of the least robust penalty,
        until only exact zeros count. Kept are the directions whose zero rows determine them even
        without any one row (`spear.inversion.directions.refinement.is_determined`): mixtures drop
        out.
        """
        small = self._zeros(directions, PROMISING)
        directions = directions[small.sum(dim=1) >= self.problem.b]
        for smoothing in SMOOTHING:
            values = directions @ self.problem.left.T
            squares = self._deviation(directions).clamp(min=smoothing).square()
            weights = squares / (values.square() + squares)
            directions = inverse_iteration(self.grams(weights), directions, TRUE_KERNEL)
        exact = self.exact(directions)
        return exact[self._determined(exact)]

    def exact(self, directions: Tensor) -> Tensor:
        """Least squares kernels of the zero rows of nearly exact directions (k x b to k' x b).

        Directions with fewer than b zeros are dropped.
        """
        for least in (FIRST_ZERO, 0.0):
            zeros = self._zeros(directions, least)
            enough = zeros.sum(dim=1) >= self.problem.b
            directions, zeros = directions[enough], zeros[enough]
            directions = self.kernels(zeros, directions)
        return directions

    def kernels(self, rows: Tensor, guesses: Tensor) -> Tensor:
        """argmin_q sum_j (L q)_j^2 / e_j(q)^2 over the chosen rows (k x m'), e_j their deviation.

        The deviation depends on q, too: weak coordinates of L are the noisy ones. With it this is
        the estimate by total least squares (Golub and Van Loan, 1980), without bias in white noise.

        Args:
            rows: which rows shall vanish, a set for each direction.
            guesses: unit vectors not orthogonal to the kernels (k x b).
        """
        scales = self.problem.noise.rows
        gains = self.problem.noise.gains / self.problem.noise.gains.mean()
        matrices = self.grams(rows * (scales.min() / scales).square())
        for _ in range(KERNEL_ITERATIONS):
            guesses = inverse_iteration(matrices.clone(), gains * guesses, TRUE_KERNEL)
        return guesses

    def _zeros(self, directions: Tensor, least: float) -> Tensor:
        """Rows on which L q is zero (k x m'), where entries up to `least` always are."""
        tolerance = (self.problem.noise.not_zero * self._deviation(directions)).clamp(min=least)
        return (directions @ self.problem.left.T).abs() <= tolerance

    def _determined(self, directions: Tensor) -> Tensor:
        """Whether the zero rows have rank b - 1, and no single one holds a dimension alone."""
        zeros = self._zeros(directions, 0.0)
        grams = self.grams(zeros.to(directions.dtype))
        return stands_without_any_row(self.problem.left, grams, directions, zeros)

    def _deviation(self, directions: Tensor) -> Tensor:
        """Standard deviation of the noise in each entry of L q (k x m')."""
        return self.problem.noise.deviation(directions.T).T


def distinct(directions: Tensor, angle: float | Tensor, known: Tensor | None = None) -> Tensor:
    """Directions (k x b) further than `angle` from each one before them and from all known ones.

    The angle is one for all, or each direction's own (k x 1).
    """
    return directions[is_distinct(directions, angle, known)]


def is_distinct(directions: Tensor, angle: float | Tensor, known: Tensor | None = None) -> Tensor:
    """Which of the directions `distinct` keeps (k booleans)."""
    if known is None:
        known = directions[:0]
    everything = torch.cat([known, directions])
    cosines = directions @ everything.T
    near = (1 - cosines.square()) < angle**2
    earlier = torch.ones_like(near).tril(diagonal=len(known) - 1)
    return ~(near & earlier).any(dim=1)
