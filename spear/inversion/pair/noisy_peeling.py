"""Peeling under noise: what is known is fitted to both gradients before more is searched.

A sample that is solved by itself carries the noise of the factors. With many of them peeled off,
their errors hide the weak samples that are left. The most likely batch (`likelihood_fit`) explains
the entries of both gradients by all samples at once: those known, and any basis of the rest. It
leaves the known ones several times closer to the truth, and the rest as clean as it can be.
"""

import torch
from torch import Tensor

from spear.inversion.directions.basis_of_space import completed
from spear.inversion.directions.scale import fix_scale
from spear.inversion.factors.gram import unit
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.engine import Engine
from spear.inversion.pair.likelihood_fit import (
    ROUGH_ITERATIONS,
    ROUGH_STEPS,
    MostLikely,
    most_likely,
)
from spear.inversion.pair.likely import likely
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.solver import PATIENCE, Peeling
from spear.inversion.pair.tolerance import backward_errors

CREDIBLE = 2.0
"""Misfit of a rough fit up to which the whole batch may be right; the final fit decides."""


class NoisyPeeling(Peeling):
    """Finds the samples of a noisy layer pair.

    Rounds are those of `Peeling` until some bring nothing and half of the samples are known. From
    then on each begins with a fit of what is known. The last sample is the one that is orthogonal
    to the others. A batch that explains the gradients badly loses its least likely sample.

    Args:
        problem: the whole of it.
        engine: finds samples of the rest.
        seed: of the starts.
    """

    def __init__(self, problem: PairProblem, engine: Engine, seed: int) -> None:
        super().__init__(problem, engine, seed)
        self._in_vain = 0
        self._stale = False

    def round(self) -> None:
        """Search once for samples of the rest."""
        before = len(self.known)
        if self._in_vain < PATIENCE or self.missing > self.problem.b // 2:
            if self._stale:
                self._peel()
            self._stale = False
            super().round()
            self._in_vain = 0 if len(self.known) > before else self._in_vain + 1
        else:
            self._fitted_round()

    def _fitted_round(self) -> None:
        """Fit what is known, drop what is not likely, and search for samples of the rest."""
        self.known, _ = self._fitted()
        self.known = self.known[likely(self.problem, self.known)]
        if self.missing > 1:
            self._peel()
            found, starts = self.engine.search(self._rest.problem, self._generator)
            found = self._rest.in_whole(found)
            known = self.known.and_others(found[likely(self.problem, found)])
            self.known = known[: self.problem.b]
            self.starts += starts
        self.rounds += 1
        if self.missing <= 1:
            self._complete()
        self._renewed = len(self.known)
        self._stale = not self.solved  # a fitted round peels after its fit

    def _complete(self) -> None:
        """Fit the whole batch; without its least likely sample if that does not explain enough."""
        known, fit = self._fitted(self.problem.b)
        if fit.misfit > CREDIBLE:
            residuals = samples_of_rows(self.problem, known.rows)[1]
            worst = (residuals / backward_errors(self.problem, known)).argmax()
            known = known[(torch.arange(len(known), device=worst.device) != worst).nonzero()[:, 0]]
            known = known[: self.problem.b - 2]  # the last one would follow from the same others
        self.known = known

    def _fitted(self, count: int | None = None) -> tuple[Samples, MostLikely]:
        """The first `count` samples of the most likely batch, those known unless given; the fit."""
        problem, known = self.problem, len(self.known)
        directions = unit(self.known.directions)
        basis = self._turned(completed(directions, self.known.rows), known)
        start = fix_scale(problem.first, basis.T)
        fit = most_likely(problem, start, ROUGH_STEPS, ROUGH_ITERATIONS)
        rows = torch.linalg.inv(fit.disaggregation)[: count or known]
        nexts = samples_of_rows(problem, rows)[0].next_coordinates
        return Samples(rows, fit.disaggregation.T[: count or known], nexts), fit

    def _turned(self, basis: Tensor, known: int) -> Tensor:
        """Turn what completes a basis at random, so that no fit repeats one that was in vain."""
        rest = len(basis) - known
        drawn = torch.randn(
            rest, rest, generator=self._generator, dtype=basis.dtype, device=basis.device
        )
        return torch.cat([basis[:known], torch.linalg.qr(drawn).Q @ basis[known:]])
