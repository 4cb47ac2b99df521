"""The rounds of the search: starts, IRLS, polish, certificate, completion, basis."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spear.inversion.descent.basis import Basis, exchanged, select, sparsest_basis
from spear.inversion.descent.cascade import Cascade
from spear.inversion.descent.certificate import Certificate
from spear.inversion.descent.complete_last import complete
from spear.inversion.descent.coordinates import build_frame
from spear.inversion.descent.deflation import Deflation, Known
from spear.inversion.descent.fallback_sampling import sampled_directions
from spear.inversion.descent.sphere import sparse_directions
from spear.inversion.descent.starts import EXPONENTS, SHARPNESS, Starts, random_starts, start_count
from spear.inversion.directions.distinct import (
    NEARLY_SAME,
    SAME_DESCENDED,
    SAME_EXACT,
    distinct,
)
from spear.inversion.directions.exact import SEARCH_DTYPE, Polish
from spear.inversion.directions.selection import Selection
from spear.inversion.directions.sparsity_matching import activity
from spear.inversion.directions.zeros import sparsity
from spear.inversion.factors.factorization import Factorization
from spear.inversion.factors.gram import Grams, unit
from spear.inversion.factors.memory import bytes_at_once
from spear.reconstruction import Status

CHUNK_BYTES = 1 << 28
"""Matrices H of the starts that a CPU works on at once."""

FREE_ROUND = 3
"""Every third round searches everywhere, in case a fitted row misleads."""

LARGE = 24
"""Batches beyond which the cascade goes before the first round of descents, which takes far longer
there."""

IN_VAIN = 3
"""Rounds of descents in vain before the cascade in smaller batches, which few need."""

PATIENCE = 3
"""Rounds without a better lambda after which an approximate result is final."""

SLACK = 0.01
"""Violated half-spaces, as a share of m, that a true direction may have (and one more): the Newton
steps stop before the last is satisfied."""

NOISY_SLACK = 0.05
"""The same for noisy updates, in addition to what the noise hides: local steps switch neurons, and
a fit follows the wrong states."""


@dataclass(frozen=True)
class Settings:
    """Ideas that the search uses; each can be taken out to see its effect.

    Attributes:
        exponents: p of the sparsity, cycled through the starts.
        sharpness: beta of the activation weights, cycled through the starts; (0,) for none.
        priors: a of the row prior, cycled through the rounds; (0,) for none.
        deflate: search only the complement of the found directions.
        certify: accept only directions that pass the certificate.
        complete: compute the last two directions instead of searching for them.
        sample: also draw submatrices when a round finds nothing new in a small batch.
        cascade: also look for rows that one sample alone makes.
    """

    exponents: tuple[float, ...] = EXPONENTS
    sharpness: tuple[float, ...] = SHARPNESS
    priors: tuple[float, ...] = (1.0, 2.0, 0.0)
    deflate: bool = True
    certify: bool = True
    complete: bool = True
    sample: bool = True
    cascade: bool = True


class Search:
    """Finds the columns of Q of one observation, round by round.

    Args:
        problem: the factorised observation.
        settings: which ideas to use.
        seed: of the starts.
        over: whether the attack's time is over, which ends the cascade; never unless given.

    Attributes:
        rounds, starts, submatrices: how much has been searched.
        basis: the sparsest independent directions found.
        known: those of them that are certified.
    """

    def __init__(
        self,
        problem: Factorization,
        settings: Settings,
        seed: int,
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        self.problem = problem
        self.settings = settings
        self._over = over
        self.rounds = 0
        self.starts = 0
        self.submatrices = 0
        self.polish = Polish(problem)
        self.certificate = Certificate(problem)
        self._generator = torch.Generator(device=problem.left.device).manual_seed(seed)
        self._pool = problem.left.new_zeros(0, problem.b)
        self._judged = 0
        self._fitting = self._pool
        self.basis = sparsest_basis(problem, self._pool)
        self.known = Known(self._pool, self._pool)
        self._completed = self._pool
        self._selection: Selection | None = None
        self._best: Selection | None = None
        self._settled = 0

    def round(self) -> None:
        """Search once from new starts, and compute the last directions if few are missing.

        Ends early once solved. One of the rounds begins with the cascade, and ends with it if the
        time is over then.
        """
        due = self.settings.cascade and self._cascade_is_due()
        if due:
            self._cascade()
        if not self.solved and not (due and self._over()):
            self._descend()
        self.rounds += 1

    def _cascade_is_due(self) -> bool:
        """Tell whether the cascade comes next: at once in large batches, else after some rounds."""
        due = 0 if self.problem.b > LARGE else IN_VAIN
        return self.rounds == due and not self.problem.noise.white

    def _cascade(self) -> None:
        self._take(Cascade(self.problem, self._over)().directions)
        if self.settings.complete and not self.solved:
            self._complete()

    def _descend(self) -> None:
        prior = self.settings.priors[self.rounds % len(self.settings.priors)]
        frame = build_frame(self.problem, prior, SEARCH_DTYPE)
        grams = Grams(frame.left)
        before, best = len(self.known), _rank(self.selection)
        repel = self.rounds % FREE_ROUND != FREE_ROUND - 1
        deflation = Deflation(frame, self._searched_around(), repel)
        for starts in self._new_starts(deflation):
            if self.solved:
                break
            self.starts += len(starts)
            found = frame.leave(sparse_directions(frame, grams, starts, deflation))
            self._take(self.polish(distinct(found, SAME_DESCENDED)))
            if self.settings.complete and not self.solved:
                self._complete()
        if self.settings.sample and not self.solved and len(self.known) == before:
            self._sample()
        if not self.solved:
            if self.problem.noise.white:
                self._exchange()
            elif self.settings.certify and len(self.known) <= before:
                self._put_fitting_first()
        self._settled = self._settled + 1 if _rank(self.selection) == best else 0

    @property
    def selection(self) -> Selection:
        """The best guess of Q so far, and its lambda."""
        if self._selection is None:
            found = select(self.problem, self.polish, self.basis, self.known)
            if self._best is None or _rank(found) >= _rank(self._best):
                self._best = found
            self._selection = self._best
        return self._selection

    @property
    def solved(self) -> bool:
        """Return whether all directions are found and the ReLU pattern proves it.

        A disagreement that noise and local steps explain may still be a mistake: the search goes
        on as long as lambda grows.
        """
        if len(self.basis) < self.problem.b:
            return False
        status = self.selection.status
        settled = self._settled >= PATIENCE
        return status == Status.EXACT or (status == Status.APPROXIMATE and settled)

    def _new_starts(self, deflation: Deflation) -> list[Starts]:
        b, settings = self.problem.b, self.settings
        starts = random_starts(
            start_count(b - len(self.known)),
            b,
            settings.exponents,
            settings.sharpness,
            self._generator,
            SEARCH_DTYPE,
        )
        cleared = unit(deflation.clear(starts.directions))
        size = bytes_at_once(cleared.device, CHUNK_BYTES) // (b * b * SEARCH_DTYPE.itemsize)
        return Starts(cleared, starts.exponents, starts.sharpness).split(max(1, size))

    def _searched_around(self) -> Known:
        """The directions to take out: the known, less one at random if none seems missing."""
        if not self.settings.deflate:
            return Known(self.known.directions[:0], self.known.rows[:0])
        if len(self.known) < self.problem.b:
            return self.known
        order = self._shuffled(self.problem.b)[1:]
        return Known(self.known.directions[order], self.known.rows[order])

    def _complete(self) -> None:
        """Compute the directions that need no search.

        If that was done before and led nowhere, one of the known may be wrong: leave a random
        one or two out, and replace each member of a full basis in turn.
        """
        directions = self.known.directions
        if directions.shape == self._completed.shape and torch.equal(directions, self._completed):
            left_out = 2 - (self.problem.b - len(directions))
            directions = directions[self._shuffled(len(directions))[max(left_out, 0) :]]
            if len(self.basis) == self.problem.b:
                self._take(complete(self.problem, self.polish, self.basis.directions))
        else:
            self._completed = directions
        candidates = complete(self.problem, self.polish, directions)
        self._take(candidates)
        if len(candidates) > 0 and not self.solved:
            self._prefer(directions, candidates)

    def _prefer(self, known: Tensor, candidates: Tensor) -> None:
        """Solve with the certified directions even if a false one in the pool has more zeros."""
        basis = sparsest_basis(self.problem, candidates, first=known)
        if len(basis) == self.problem.b:
            selection = select(self.problem, self.polish, basis, self.known)
            if selection.status == Status.EXACT:
                self.basis, self._selection = basis, selection

    def _exchange(self) -> None:
        """Correct by lambda what sparsity has decided wrongly in noise."""
        if len(self.basis) < self.problem.b:
            return
        basis = exchanged(self.problem, self.basis, self._pool)
        selection = select(self.problem, self.polish, basis, self.known)
        if _rank(selection) > _rank(self.selection):
            self.basis, self._selection, self._best = basis, selection, selection
            self.known = self._certified(basis)

    def _put_fitting_first(self) -> None:
        """Put the certificate before sparsity if mixtures have more zeros than their members.

        With one output, or two under a softmax, all rows of dL/dA are multiples of one, so that the
        difference of two columns of dL/dZ vanishes wherever the two samples' states agree. Such
        mixtures fit no p, and would keep the true directions out of the basis forever.
        """
        fresh = self._pool[self._judged :]
        self._judged = len(self._pool)
        _, fits = self._passes(Basis(fresh, activity(self.problem, fresh.T).T), fresh[:0])
        if not fits.any():
            return
        fitting = torch.cat([self._fitting, fresh[fits]])
        order = sparsity(self.problem, fitting.T).argsort(descending=True, stable=True)
        self._fitting = fitting[order]
        self._choose_basis()

    def _sample(self) -> None:
        directions, submatrices = sampled_directions(self.problem, self._generator)
        self.submatrices += submatrices
        self._take(self.polish(directions))

    def _shuffled(self, count: int) -> Tensor:
        device = self._generator.device
        return torch.randperm(count, generator=self._generator, device=device)

    def _take(self, directions: Tensor) -> None:
        fresh = distinct(directions, self._angle(directions, SAME_EXACT), self._pool)
        if len(fresh) == 0:
            return
        self._pool = torch.cat([self._pool, fresh])
        self._choose_basis()

    def _choose_basis(self) -> None:
        self.basis = sparsest_basis(self.problem, self._pool, first=self._fitting)
        self._selection = None
        if not self.solved:
            self.known = self._certified(self.basis)

    def _certified(self, basis: Basis) -> Known:
        """The members that pass the certificate, with their rows.

        If all are right, orthogonality to the others helps to tell right from wrong. A false member
        misleads the others. So after a failure each must pass alone first, then together with
        those that did. The rest is the core, together with which all members are judged again.
        """
        judged = basis.directions
        rows, right = self._passes(basis, judged)
        if not self.settings.certify:
            return Known(judged, rows)
        single = self._single(judged)
        if not bool((right & single).all()):
            _, alone = self._passes(basis, judged[:0])
            _, core = self._passes(basis, judged[alone & single])
            core &= alone & single
            _, right = self._passes(basis, judged[core])
            right &= single
            rows, _ = self._passes(basis, judged[right])
        return Known(judged[right], rows[right])

    def _single(self, directions: Tensor) -> Tensor:
        """Whether no direction before it is nearly the same; the first ones have more zeros."""
        cosines = directions @ directions.T
        near = (1 - cosines.square()) < self._angle(directions, NEARLY_SAME).square()
        return ~near.tril(diagonal=-1).any(dim=1)

    def _angle(self, directions: Tensor, least: float) -> Tensor:
        return self.problem.noise.angle(directions.T).clamp(min=least)[:, None]

    def _passes(self, members: Basis, known: Tensor) -> tuple[Tensor, Tensor]:
        rows, violated = self.certificate(members.directions, members.signs, known)
        noise = self.problem.noise
        share = SLACK + noise.hidden_states(members.directions.T) + NOISY_SLACK * noise.white
        return rows, violated <= 1 + share * self.problem.m


def _rank(selection: Selection) -> tuple[int, float]:
    """Of two selections the one with more directions is better, then that of the larger lambda."""
    return selection.n_found, selection.sparsity_matching
