"""The row cascade: a solved sample leaves the rows of L, and what two shared becomes one's alone.

Each row of L that one unsolved sample alone makes gives that sample's row p (`single_rows`), hence
its pre-activations z = M p + bias, hence its direction: the kernel of the rows of L with z_j < 0.
No start and no descent is needed. Which rows these are shows by the result: the kernel of another
row's candidate does not vanish. Shariati and Meybodi (arXiv 2609.09659) decode batches like this
from given labels and losses; here the certificate is the ReLU pattern.

Errors do not add up. A direction rests on hundreds of rows of the original L, whose choice by sign
tolerates what peeling has left in p.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from spear.inversion.descent.deflation import Known
from spear.inversion.descent.single_rows import Rest, biorthogonal, mean_activity
from spear.inversion.directions.determined import stands_without_any_row
from spear.inversion.directions.distinct import NEARLY_SAME, is_distinct
from spear.inversion.directions.exact import SEARCH_DTYPE
from spear.inversion.directions.sparsity_matching import activity, agreement
from spear.inversion.factors.factorization import Factorization
from spear.inversion.factors.gram import grams_once, inverse_iteration, unit

AT_ONCE = 32
"""Neurons looked at together, those with the fewest samples first."""

MISSES = 4
"""Times in a row that this many neurons may give nothing."""

MARGINS = ((1e-3, 0.01), (0.2, 0.05), (0.3, 0.1))
"""Deviations of a sample's pre-activations below zero at which its neuron counts as inactive, and
the share of all neurons whose sign may be wrong. The wider ones, tried when no more is found,
allow for a candidate in which a second sample has a small part, and for errors of the rows taken
out."""

VANISHING = 1e-2
"""Root mean square of L q on inactive neurons up to which a candidate goes on to the other tests.

With all signs right it is 1e-7; up to here leaves room for a wrong one. Of mixtures, one in a
hundred is below."""

RIDGES = {torch.float32: 1e-5, torch.float64: 1e-12}
"""Ridge, relative to the mean eigenvalue, above the rounding of a Gram matrix with a kernel."""

ITERATIONS = 2


class Cascade:
    """Takes samples out of an observation for as long as rows with a single one are found.

    Args:
        problem: the factorised observation.
        over: whether the attack's time is over; it is asked before each look at some neurons, and
            what is found by then is returned. Never over unless given.
    """

    def __init__(self, problem: Factorization, over: Callable[[], bool] = lambda: False) -> None:
        self.problem = problem
        self._over = over
        self._left = problem.left.to(SEARCH_DTYPE)

    def __call__(self) -> Known:
        """Return the directions found, unit vectors, and their rows, in the order of finding."""
        nothing = self.problem.left.new_zeros(0, self.problem.b)
        known = Known(nothing, nothing)
        tried = torch.zeros(len(MARGINS), len(self._left), dtype=torch.bool, device=nothing.device)
        while len(known) < self.problem.b:
            rest = Rest.of(self.problem, known)
            found = self._next(rest, known, tried)
            if len(found) == 0:
                break
            directions = torch.cat([known.directions, found.directions])
            known = biorthogonal(Known(directions, torch.cat([known.rows, found.rows])))
            changed = (found.directions @ self.problem.left.T).abs() > self._noise(found)
            tried &= ~changed.any(dim=0)
        return known

    def _noise(self, found: Known) -> Tensor:
        noise = self.problem.noise
        return noise.not_zero * noise.deviation(found.directions.T).T

    def _next(self, rest: Rest, known: Known, tried: Tensor) -> Known:
        """Samples of the first neurons that give any; the neurons looked at are marked as tried."""
        order = mean_activity(self.problem, known).argsort()
        order = order[rest.open(self.problem)[order]]
        margins = MARGINS if len(known) > 0 else MARGINS[:1]
        for margin, looked_at in zip(margins, tried, strict=False):
            for neurons in torch.split(order[~looked_at[order]], AT_ONCE)[:MISSES]:
                if self._over():
                    return Known(known.directions[:0], known.rows[:0])
                looked_at[neurons] = True
                found = self._right(rest.candidates(neurons), neurons, margin, known)
                if len(found) > 0:
                    return found
        return Known(known.directions[:0], known.rows[:0])

    def _right(
        self, rows: Tensor, neurons: Tensor, margin: tuple[float, float], known: Known
    ) -> Known:
        """The candidates that are right, and new: those whose inactive neurons have a kernel."""
        problem, (sure, slack) = self.problem, margin
        z = rows @ problem.projected_weight[problem.active].T + problem.bias[problem.active]
        inactive = z < -sure * z.std(dim=1, keepdim=True)
        possible = z.gather(1, neurons[:, None])[:, 0] > 0  # its own neuron is active
        possible &= self._vanishing(rows, inactive)
        rows, inactive = rows[possible], inactive[possible]
        grams = grams_once(problem.left, inactive)
        directions = unit(rows)
        for _ in range(ITERATIONS):
            directions = inverse_iteration(grams.clone(), directions, RIDGES[torch.float64])
        right = stands_without_any_row(problem.left, grams, directions, inactive)
        signs = activity(problem, directions.T)
        violated = (~agreement(problem, rows, signs)).sum(dim=0)
        right &= violated <= 1 + slack * problem.m
        order = violated.argsort(stable=True)
        order = order[right[order]]  # of candidates for one direction the first stays
        directions, rows = directions[order], rows[order]
        new = is_distinct(directions, NEARLY_SAME, known.directions)
        return Known(directions[new], rows[new])

    def _vanishing(self, rows: Tensor, inactive: Tensor) -> Tensor:
        """Mark the candidates with a direction that vanishes on their inactive neurons (k)."""
        grams = grams_once(self._left, inactive)
        directions = unit(rows).to(SEARCH_DTYPE)  # p . q is 1: no start orthogonal to the kernel
        for _ in range(ITERATIONS):
            directions = inverse_iteration(grams.clone(), directions, RIDGES[SEARCH_DTYPE])
        squares = (directions @ self._left.T).square() * inactive
        return squares.sum(dim=1) <= VANISHING**2 * inactive.sum(dim=1)
