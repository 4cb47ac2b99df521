"""The search behind a piecewise linear activation if the next layer has few outputs.

Then the rows of G2 do not span the activations, and nothing but all directions together determines
a sample's row p: solved samples cannot be peeled off. Directions are collected instead. A search
keeps away from the known ones by what is known of their rows: p_l . q_k = 0 for two of them, and
s . p_l = 1. With b - 1 directions the last row is a point.
"""

import torch
from torch import Tensor

from spear.inversion.descent.deflation import Known
from spear.inversion.directions.distinct import NEARLY_SAME, is_distinct
from spear.inversion.factors.gram import unit
from spear.inversion.pair.assignment import fitting_directions, round_size
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.beside import beside_common, crowded, linear_directions
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.search import Search

PRIORS = (0.0, 1.0, 2.0)
"""a of the row prior of the search's coordinates, cycled through the rounds."""

FREE_ROUND = 3
"""Every third round searches everywhere, in case an estimated row misleads."""

RIGHT, NOISY = 1e-5, 1e-4
"""Relative residual of backward consistency of a right direction, and of one in noise. True ones
have 1e-6 at most, most wrong ones 1e-2, and a mixture of two that differ at one neuron 1e-4."""


class RegressionSearch(Search):
    """Collects directions until there are b, and then has the samples.

    Until all are found, the rows of `known` are estimates.

    Args:
        problem: with a piecewise linear activation.
        seed: of the starts.
    """

    def round(self) -> None:
        """Search once around what is known."""
        self.rounds += 1
        if self.rounds == 1:
            self._add_linear()
        if self.missing == 1:
            self._add_last()
        if not self.solved:
            self._search()

    @property
    def _right(self) -> float:
        return NOISY if self.problem.noisy else RIGHT

    def _search(self) -> None:
        count = round_size(self.missing)
        self.starts += count
        free = self.rounds % FREE_ROUND == 0
        directions, rows = unit(self.known.directions), self.known.rows
        known = Known(directions[:0], rows[:0]) if free else Known(directions, rows)
        prior = PRIORS[self.rounds % len(PRIORS)]
        found = fitting_directions(self.problem, known, count, self._generator, prior)
        found = found.these(found.residuals < self._right)
        fresh = self._distinct(unit(found.directions), directions)
        found = found.these(fresh.nonzero()[:, 0][: self.missing])
        self._take(found.directions, found.next_coordinates)

    def _distinct(self, directions: Tensor, known: Tensor) -> Tensor:
        """Mark the directions that differ from each one before them, and from the known ones."""
        return is_distinct(directions, NEARLY_SAME, known)

    def _add_linear(self) -> None:
        """Add the direction of the only sample without a kink in between, if there is one."""
        directions, nexts = linear_directions(self.problem)
        if len(directions) == 1:
            self._take(directions, nexts)

    def _add_last(self) -> None:
        """Add the direction of the only row that is orthogonal to all known directions."""
        row = _last_row(self.problem, self.known.directions)
        samples, residuals = samples_of_rows(self.problem, row[None])
        if float(residuals) < self._right:
            self._take(samples.directions, samples.next_coordinates)

    def _take(self, directions: Tensor, nexts: Tensor) -> None:
        """Add directions of any length and their e; they change what is known of all rows."""
        directions = torch.cat([self.known.directions, directions])
        nexts = torch.cat([self.known.next_coordinates, nexts])
        self.known = Samples.scaled(_rows(self.problem, directions), directions, nexts)


def _last_row(problem: PairProblem, directions: Tensor) -> Tensor:
    """Return the shortest row that is orthogonal to all directions: of b - 1, the only one (b)."""
    return torch.linalg.pinv(_constraints(problem, directions))[:, 0]


def _constraints(problem: PairProblem, directions: Tensor) -> Tensor:
    """s and the unit directions: the products of a missing row with them are 1, 0, 0, ..."""
    return torch.cat([problem.first.bias_coordinates[None], unit(directions)])


def _parallel(problem: PairProblem, directions: Tensor) -> Tensor:
    """C q of directions q, likely to be parallel to their rows (f x b)."""
    if not crowded(problem):  # then C is nearly that of L, which is whitened
        return directions
    return beside_common(problem, directions)


def _rows(problem: PairProblem, directions: Tensor) -> Tensor:
    """Estimate the rows of f directions (f x b).

    A row is near C q / (s . C q) (`spear.inversion.descent.coordinates`); of the rows with s . p =
    1 that are orthogonal to the other directions it is the nearest. With b directions it is exact.
    """
    sums, constraints = problem.first.bias_coordinates, _constraints(problem, directions)
    guesses = _parallel(problem, directions)
    rows = []
    for index, guess in enumerate(guesses / (guesses @ sums)[:, None]):
        others = torch.ones(len(constraints), dtype=torch.bool, device=sums.device)
        others[index + 1] = False
        kept = constraints[others]
        wanted = torch.zeros_like(kept[:, 0])
        wanted[0] = 1.0
        rows.append(guess + torch.linalg.pinv(kept) @ (wanted - kept @ guess))
    return torch.stack(rows) if rows else directions
