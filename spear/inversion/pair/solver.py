"""The rounds of the search: samples are found, peeled off, and from time to time solved anew."""

from collections.abc import Callable

from spear.inversion.pair.engine import Engine
from spear.inversion.pair.peeling import Rest, Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.rows import mutually_consistent
from spear.inversion.pair.search import Search

RENEWAL = 2
"""Factor by which the missing samples become fewer before the known ones are solved anew, as errors
of peeling add up. In noise the known ones are solved anew, and judged again, after every find."""

PATIENCE = 2
"""Rounds without a find after which they are solved anew, too."""

SLACK = 1e2
"""Factor on the squared residuals of samples that are searched after `PATIENCE` rounds in vain:
errors of peeling may hide the rest. They count only if they are right on the whole problem."""

IN_VAIN = 16
"""Starts that are counted for a round in vain that makes none, so that every search comes to its
end."""

STUCK = 6
"""Rounds without a find after which, and again after as many, what is known is doubted."""


class Peeling(Search):
    """Finds the samples of a layer pair, and takes them out of it.

    Args:
        problem: the whole of it.
        engine: finds samples of the rest.
        seed: of the starts.
    """

    def __init__(self, problem: PairProblem, engine: Engine, seed: int) -> None:
        super().__init__(problem, seed)
        self.engine = engine
        self._rest = Rest.whole(problem)
        self._renewed = 0
        self._without_find = 0

    def round(self) -> None:
        """Search once for samples of the rest."""
        careful = self._without_find >= PATIENCE and not self.problem.noisy
        slack = SLACK if careful else 1.0
        found, starts = self._searched(slack)
        self.rounds += 1
        self.starts += starts
        before, in_vain = len(self.known), self._without_find + 1
        if len(found):
            self.known = self.known.and_others(self._rest.in_whole(found))
            if careful:
                self._renew(self.engine.sharpened)
            elif not self.solved:
                self._rest = self._rest.without(found)
        self._without_find = 0 if len(self.known) > before else in_vain
        few = self.problem.noisy or self.missing * RENEWAL <= self.problem.b - self._renewed
        if len(self.known) > self._renewed and (few or self._without_find == PATIENCE):
            self._renew(self.engine.renewed)
            self._without_find = 0 if len(self.known) > before else in_vain
        if self._without_find and starts == 0:  # a last sample that does not fit
            self.starts += IN_VAIN
        if self._without_find and self._without_find % STUCK == 0 and not self.problem.noisy:
            self._sharpen()

    def _searched(self, slack: float) -> tuple[Samples, int]:
        """Samples of the rest, and the number of starts made."""
        return self.engine.search(self._rest.problem, self._generator, slack)

    def restart(self, known: Samples) -> None:
        """Implement `Search.restart`."""
        super().restart(known)
        self._renewed = len(known)
        self._without_find = 0
        if not self.solved:
            self._peel()

    def _renew(self, solved: Callable[[PairProblem, Samples], Samples]) -> None:
        """Solve new samples again on the whole problem; wrong ones and second ones are dropped."""
        before, new = self.known[: self._renewed], self.known[self._renewed :]
        known = before.and_others(solved(self.problem, new))
        self.known = known[mutually_consistent(self.problem, known)]
        self._renewed = len(self.known)
        if not self.solved:
            self._peel()

    def _sharpen(self) -> None:
        """Solve the known samples as exactly as can be; those in doubt are searched again."""
        self.known = self.engine.sharpened(self.problem, self.known)
        self._renewed = len(self.known)
        self._peel()

    def _peel(self) -> None:
        """Take all known samples out of the whole problem."""
        whole = Rest.whole(self.problem)
        self._rest = whole.without(self.known) if len(self.known) else whole
