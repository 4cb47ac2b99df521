"""Refinement to exact directions: the kernel of *all* rows on which it vanishes, by least squares.

A search yields directions in float32. Two ways lead from there to the exact one:

* `refine`, for directions from b - 1 of their zero rows (Algorithm 1): the tolerance for zeros
  falls step by step.
* `Polish`, for directions that a descent approaches: entries lose weight smoothly before any is
  called a zero, and the fit allows for noise in L itself.
"""

import torch
from torch import Tensor

from spear.inversion.directions.determined import stands_without_any_row
from spear.inversion.directions.zeros import FIRST_TOLERANCE
from spear.inversion.factors.factorization import Decomposition
from spear.inversion.factors.gram import TRUE_KERNEL, Grams, grams_once, inverse_iteration

SEARCH_DTYPE = torch.float32
"""Precision of a search, whose directions become exact in float64."""

TIGHTENING = 10.0
"""Factor by which the tolerance falls from one round to the next."""

SMOOTHING = (1e-3, 1e-4, 1e-5)
"""Scales at which entries of L q count less and less, before any is called a zero."""

FIRST_ZERO = 3e-5
"""Largest entry that the first choice of zero rows includes, whatever the noise."""

KERNEL_ITERATIONS = 2

PROMISING = 1e-2
"""Entries of L q below this may become zeros."""


def refine(problem: Decomposition, directions: Tensor) -> Tensor:
    """Refit each direction to its zero rows while the tolerance falls to the gradient's noise.

    A direction from b - 1 rows carries the noise of those rows, magnified by their condition. Its
    zero set has some m/2 rows: the q that minimises sum_j ((L q)_j / e_j)^2 over them, with e_j the
    noise of row j, averages that noise out. Entries that were small by chance drop out as the
    tolerance falls. On float32 gradients this gains 40 dB and more.

    Args:
        problem: the factorised observation.
        directions: approximate unit vectors as columns (b x k).

    Returns:
        Unit vectors as columns (b x k), float64.
    """
    directions = directions.to(torch.float64)
    tolerance = FIRST_TOLERANCE
    while True:
        limit = problem.noise.not_zero * problem.noise.deviation(directions)
        allowed = limit.clamp(min=tolerance)
        zeros = (problem.left @ directions).abs() <= allowed
        directions = _kernels(problem.left, zeros * (allowed.amin(dim=0) / allowed).square())
        if tolerance < float(limit.min()):
            return directions
        tolerance /= TIGHTENING


def _kernels(left: Tensor, weights: Tensor) -> Tensor:
    """Return the unit vectors q of least sum_j w_j (L q)_j^2, for each column of weights; b x k."""
    return torch.linalg.eigh(grams_once(left, weights.T)).eigenvectors[:, :, 0].T


class Polish:
    """Makes directions exact and tells which are worth keeping, all in float64.

    Args:
        problem: the factorised observation.
    """

    def __init__(self, problem: Decomposition) -> None:
        self.problem = problem
        self.grams = Grams(problem.left)

    def __call__(self, directions: Tensor) -> Tensor:
        """Return the exact directions worth keeping among what the search found (k x b to k' x b).

        IRLS goes on in float64 with w = e^2 / (y^2 + e^2), the weight of the least robust penalty,
        until only exact zeros count. It keeps directions whose zero rows determine them even
        without any one row (`spear.inversion.directions.determined.is_determined`): mixtures drop
        out.
        """
        exact = self.converged(directions)
        return exact[self._determined(exact)]

    def converged(self, directions: Tensor) -> Tensor:
        """Do the same without the test whether zero rows determine a direction."""
        small = self._zeros(directions, PROMISING)
        directions = directions[small.sum(dim=1) >= self.problem.b]
        for smoothing in SMOOTHING:
            values = directions @ self.problem.left.T
            squares = self._deviation(directions).clamp(min=smoothing).square()
            weights = squares / (values.square() + squares)
            directions = inverse_iteration(self.grams(weights), directions, TRUE_KERNEL)
        return self.exact(directions)

    def exact(self, directions: Tensor) -> Tensor:
        """Return the least squares kernels of the zero rows of nearly exact directions, k' x b.

        Directions with fewer than b zeros are dropped.
        """
        for least in (FIRST_ZERO, 0.0):
            zeros = self._zeros(directions, least)
            enough = zeros.sum(dim=1) >= self.problem.b
            directions, zeros = directions[enough], zeros[enough]
            directions = self.kernels(zeros, directions)
        return directions

    def kernels(self, rows: Tensor, guesses: Tensor) -> Tensor:
        """Return argmin_q sum_j (L q)_j^2 / e_j(q)^2 over chosen rows j, with e_j their deviation.

        The deviation depends on q, too: weak coordinates of L are the noisy ones. With it this is
        the estimate by total least squares (Golub and Van Loan, 1980), without bias in white noise.

        Args:
            rows: the rows that must vanish, a set for each direction (k x m').
            guesses: unit vectors not orthogonal to the kernels (k x b).
        """
        scales = self.problem.noise.rows
        gains = self.problem.noise.gains / self.problem.noise.gains.mean()
        matrices = self.grams(rows * (scales.min() / scales).square())
        for _ in range(KERNEL_ITERATIONS):
            guesses = inverse_iteration(matrices.clone(), gains * guesses, TRUE_KERNEL)
        return guesses

    def _zeros(self, directions: Tensor, least: float) -> Tensor:
        """Mark the rows on which L q is zero (k x m'), where entries up to `least` always are."""
        tolerance = (self.problem.noise.not_zero * self._deviation(directions)).clamp(min=least)
        return (directions @ self.problem.left.T).abs() <= tolerance

    def _determined(self, directions: Tensor) -> Tensor:
        """Tell whether the zero rows have rank b - 1 and no single one holds a dimension alone."""
        zeros = self._zeros(directions, 0.0)
        grams = self.grams(zeros.to(directions.dtype))
        return stands_without_any_row(self.problem.left, grams, directions, zeros)

    def _deviation(self, directions: Tensor) -> Tensor:
        """Standard deviation of the noise in each entry of L q (k x m')."""
        return self.problem.noise.deviation(directions.T).T
