"""From an approximate direction to the exact one: the kernel of all rows on which it vanishes."""

import torch
from torch import Tensor

from spear.inversion.factorization import Factorization
from spear.inversion.irls.grams import TRUE_KERNEL, Grams, inverse_iteration
from spear.inversion.refinement import stands_without_any_row

SMOOTHING = (1e-3, 1e-4, 1e-5)
"""Scales at which entries of L q count less and less, before any is called a zero."""

FIRST_ZERO = 3e-5
"""Largest entry that the first choice of zero rows takes in, whatever the noise."""

SURELY_ZERO, SURELY_NOT = 0.4, 12.0
"""Where the zero test is sure, in units of `Factorization.zero_tolerance`. True zeros were seen up
to 3.7, though nearly all are far below the first. Of the other entries, one in a million is smaller
than the second: too rare to matter to a search, but in large batches there is one, and the ReLU
pattern decides what it is."""

PROMISING = 1e-2
"""Entries of L q below this may become zeros."""


class Polish:
    """Makes directions exact and tells which are worth keeping. All in float64.

    Args:
        problem: the factorised observation.
    """

    def __init__(self, problem: Factorization) -> None:
        self.problem = problem
        self.grams = Grams(problem.left)

    def signs(self, directions: Tensor, surely_zero: float = SURELY_ZERO) -> Tensor:
        """What L q says of each neuron, for directions q (k x b).

        Args:
            directions: unit vectors.
            surely_zero: units of noise up to which an entry is called zero. The fewer, the more
                true zeros stay open and the fewer small entries are mistaken for zeros.

        Returns:
            k x m, int8: -1 where L q is zero (the sample does not activate the neuron), 1 where it
            is not, 0 where noise leaves it open. Neurons that no sample activates are -1.
        """
        values = (directions @ self.problem.left.T).abs() / self._deviation(directions)
        signs = values.new_full((len(directions), self.problem.m), -1, dtype=torch.int8)
        known = (values > SURELY_NOT).to(torch.int8) - (values <= surely_zero).to(torch.int8)
        signs[:, self.problem.active] = known
        return signs

    def __call__(self, directions: Tensor) -> Tensor:
        """The exact directions worth keeping among what the search found (k x b to k' x b).

        IRLS goes on in float64 with w = e^2 / (y^2 + e^2), the weight of the least robust penalty,
        until only exact zeros count. Kept are the directions whose zero rows determine them even
        without any one row (`spear.inversion.refinement.is_determined`): mixtures drop out.
        """
        values = directions @ self.problem.left.T
        directions = directions[(values.abs() < PROMISING).sum(dim=1) >= self.problem.b]
        for smoothing in SMOOTHING:
            values = directions @ self.problem.left.T
            weights = smoothing**2 / (values.square() + smoothing**2)
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
        """argmin_q sum_j (L q)_j^2 / e_j^2 on the unit sphere over the chosen rows (k x m').

        Args:
            rows: which rows shall vanish, a set for each direction.
            guesses: unit vectors not orthogonal to the kernels (k x b).
        """
        deviation = self._deviation(guesses)
        least = deviation.amin(dim=1, keepdim=True)
        matrices = self.grams(rows * (least / deviation).square())
        once = inverse_iteration(matrices.clone(), guesses, TRUE_KERNEL)
        return inverse_iteration(matrices, once, TRUE_KERNEL)

    def _zeros(self, directions: Tensor, least: float) -> Tensor:
        """Rows on which L q is zero (k x m'), where entries up to `least` always are."""
        tolerance = (SURELY_NOT * self._deviation(directions)).clamp(min=least)
        return (directions @ self.problem.left.T).abs() <= tolerance

    def _determined(self, directions: Tensor) -> Tensor:
        """Whether the zero rows have rank b - 1, and no single one holds a dimension alone."""
        zeros = self._zeros(directions, 0.0)
        grams = self.grams(zeros.to(directions.dtype))
        return stands_without_any_row(self.problem.left, grams, directions, zeros)

    def _deviation(self, directions: Tensor) -> Tensor:
        """Standard deviation of the noise in each entry of L q (k x m')."""
        deviation = self.problem.zero_tolerance(directions.T, sigmas=1.0).T
        return deviation.clamp(min=torch.finfo(deviation.dtype).tiny)


def distinct(directions: Tensor, angle: float, known: Tensor | None = None) -> Tensor:
    """Directions (k x b) further than `angle` from each one before them and from all known ones."""
    if known is None:
        known = directions[:0]
    everything = torch.cat([known, directions])
    cosines = directions @ everything.T
    near = (1 - cosines.square()) < angle**2
    earlier = torch.ones_like(near).tril(diagonal=len(known) - 1)
    return directions[~(near & earlier).any(dim=1)]
