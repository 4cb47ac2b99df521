"""State of a search for the samples of a layer pair, whatever its rounds do."""

from abc import ABC, abstractmethod

import torch

from spear.attack import Progress
from spear.budget import Budget
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.reconstruction import Status

MOST_STARTS = 96
"""Starts a round at most: more would meet the same attractors."""


class Search(ABC):
    """Finds the samples of a layer pair, round by round.

    Args:
        problem: the whole of it.
        seed: of the starts.

    Attributes:
        known: samples found, in the coordinates of the problem.
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

    def restart(self, known: Samples) -> None:
        """Go on from samples that are known to be right; all others are forgotten."""
        self.known = known

    @abstractmethod
    def round(self) -> None:
        """Search once around what is known."""


def run(search: Search, budget: Budget, max_starts: float) -> Status:
    """Search until it is solved, or return the status that says why it was given up.

    Args:
        search: from its beginning.
        budget: of its time.
        max_starts: starts after which it is given up.
    """
    while not search.solved:
        search.round()
        budget.report(Progress.directions(len(search.known), search.problem.b))
        if search.starts >= max_starts:
            break
        if budget.over():
            return Status.TIMED_OUT
    return Status.PARTIAL
