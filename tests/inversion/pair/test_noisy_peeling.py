"""Under noise what is known is fitted, the last sample follows, and a bad batch loses its worst."""

from dataclasses import replace

import torch
from support.pairs import PairCase, noisy, pair_case
from torch import Tensor

from spear.inversion.factors.gram import unit
from spear.inversion.pair.noisy_peeling import NoisyPeeling
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.solver import PATIENCE

NEAR = 0.03
"""Relative error of the rows that are found."""

clean = pair_case("gelu", b=6, m=100, n=120, dtype=torch.float32)
CASE: PairCase = replace(clean, pair=noisy(clean.pair, 1e-2))


class OnceNear:
    """An engine that finds given rows once, with errors, and nothing afterwards."""

    def __init__(self, rows: Tensor) -> None:
        drawn = torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))
        lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        self.found: Tensor | None = rows + NEAR * lengths * unit(drawn.to(rows))

    def search(
        self, problem: PairProblem, generator: torch.Generator, slack: float = 1.0
    ) -> tuple[Samples, int]:
        if self.found is None or problem is not CASE.problem:
            return Samples.nothing(problem), 1
        directions = torch.linalg.pinv(self.found).T
        nexts = CASE.next_coordinates.T[: len(self.found)]
        rows, self.found = self.found, None
        return Samples.scaled(rows, directions, nexts), 1

    def renewed(self, problem: PairProblem, samples: Samples) -> Samples:
        return samples


def after_rounds(rows: Tensor, count: int) -> NoisyPeeling:
    search = NoisyPeeling(CASE.problem, OnceNear(rows), seed=0)
    for _ in range(count):
        if not search.solved:
            search.round()
    return search


def relative_errors(found: Tensor) -> Tensor:
    """Relative error of the row found that is nearest to each true one."""
    lengths = torch.linalg.vector_norm(CASE.rows, dim=1)
    return torch.cdist(CASE.rows, found).amin(dim=1) / lengths


def test_the_last_sample_follows_from_the_others_and_all_get_nearer():
    search = after_rounds(CASE.rows[:5], PATIENCE + 2)
    assert search.solved
    assert search.rounds == PATIENCE + 2
    assert float(relative_errors(search.known.rows).max()) < NEAR / 2


def test_known_samples_get_nearer_although_others_are_missing():
    search = after_rounds(CASE.rows[:4], PATIENCE + 2)
    assert len(search.known) == 4
    assert float(relative_errors(search.known.rows)[:4].max()) < NEAR / 2


def test_a_batch_with_a_false_sample_does_not_stay_whole():
    rows = CASE.rows[:5].clone()
    rows[4] = 3 * CASE.rows[0] - 2 * CASE.rows[1]
    search = after_rounds(rows, PATIENCE + 4)
    assert not search.solved or float(relative_errors(search.known.rows).max()) < NEAR / 2


def test_a_fitted_round_peels_once(monkeypatch):
    search = after_rounds(CASE.rows[:3], PATIENCE + 1)
    peeled, peel = [], search._peel
    monkeypatch.setattr(search, "_peel", lambda: (peeled.append(None), peel()))
    for _ in range(2):
        search.round()
    assert not search.solved
    assert len(peeled) == 2
