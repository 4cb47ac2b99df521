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
from spear.inversion.pair.assignment import fitting_directions
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem

FEWEST, MOST = 24, 96
"""Starts a round; between them, as many as directions are missing."""

PRIORS = (0.0, 1.0, 2.0)
"""a of the row prior of the search's coordinates, cycled through the rounds."""

FREE_ROUND = 3
"""Every third round searches everywhere, in case an estimated row misleads."""

RIGHT = 1e-4
"""Relative residual of backward consistency of a right direction; wrong ones have 1e-2 and more."""


class RegressionSearch:
    """Collects directions until there are b, and then has the samples.

    Args:
        problem: with a piecewise linear activation.
        seed: of the starts.

    Attributes:
        known: the samples; until all are found, their rows are estimates.
        rounds, starts: how much has been searched.
    """

    def __init__(self, problem: PairProblem, seed: int) -> None:
        self.problem = problem
        self.known = Samples.nothing(problem)
        self.rounds = self.starts = 0
        self._generator = torch.Generator(device=problem.left.device).manual_seed(seed)

    @property
    def missing(self) -> int:
        """Number of samples not found yet."""
        return self.problem.b - len(self.known)

    @property
    def solved(self) -> bool:
        """Tell whether every sample is found."""
        return self.missing == 0

    def round(self) -> None:
        """Search once around what is known."""
        self.rounds += 1
        if self.missing == 1:
            self._add_last()
        if not self.solved:
            self._search()

    def _search(self) -> None:
        count = max(FEWEST, min(MOST, self.missing))
        self.starts += count
        free = self.rounds % FREE_ROUND == 0
        known = Known(*(each[:0] if free else each for each in self._unit_known()))
        prior = PRIORS[self.rounds % len(PRIORS)]
        found = fitting_directions(self.problem, known, count, self._generator, prior)
        found = found.these(found.residuals < RIGHT)
        fresh = is_distinct(unit(found.directions), NEARLY_SAME, unit(self.known.directions))
        found = found.these(fresh.nonzero()[:, 0][: self.missing])
        self._take(
            torch.cat([self.known.directions, found.directions]),
            torch.cat([self.known.next_coordinates, found.next_coordinates]),
        )

    def _add_last(self) -> None:
        """Add the direction of the only row that is orthogonal to all known directions."""
        rows = _rows(self.problem, self.known.directions)[1]
        samples, residuals = samples_of_rows(self.problem, rows[None])
        if float(residuals) < RIGHT:
            self._take(
                torch.cat([self.known.directions, samples.directions]),
                torch.cat([self.known.next_coordinates, samples.next_coordinates]),
            )

    def _take(self, directions: Tensor, nexts: Tensor) -> None:
        rows, _ = _rows(self.problem, directions)
        scales = (rows * directions).sum(dim=1, keepdim=True)
        self.known = Samples(rows, directions / scales, nexts / scales)

    def _unit_known(self) -> tuple[Tensor, Tensor]:
        return unit(self.known.directions), self.known.rows


def _rows(problem: PairProblem, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Estimate the rows of f directions, and a row of every other sample.

    A row is near q / (s . q) (`spear.inversion.descent.coordinates`); of the rows with s . p = 1
    that are orthogonal to the other directions it is the nearest. With b directions it is exact.

    Returns:
        A row for each direction (f x b), and the shortest row that is orthogonal to all (b).
    """
    sums = problem.first.bias_coordinates
    constraints = torch.cat([sums[None], unit(directions)])
    inverse = torch.linalg.pinv(constraints)
    shortest = inverse[:, 0]
    rows = []
    for index, direction in enumerate(directions):
        others = torch.ones(len(constraints), dtype=torch.bool, device=sums.device)
        others[index + 1] = False
        guess = direction / (direction @ sums)
        kept = constraints[others]
        wanted = torch.zeros_like(kept[:, 0])
        wanted[0] = 1.0
        rows.append(guess + torch.linalg.pinv(kept) @ (wanted - kept @ guess))
    return (torch.stack(rows) if rows else directions), shortest
