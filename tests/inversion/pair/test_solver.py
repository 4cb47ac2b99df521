"""The rounds: what is found is peeled off, and what proves wrong is dropped."""

import torch
from support.pairs import pair_case

from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.smooth import SmoothEngine
from spear.inversion.pair.solver import IN_VAIN, PATIENCE, SLACK, STUCK, Peeling

CASE = pair_case("gelu", b=6)


class Scripted:
    """An engine that finds what it is told to, in the coordinates of the rest."""

    def __init__(self, *script: list[int]) -> None:
        self.script = list(script)
        self.sizes: list[int] = []
        self.renewals: list[int] = []
        self.wrong: set[int] = set()
        self.slacks: list[float] = []
        self.doubts: list[int] = []

    def search(
        self, problem: PairProblem, generator: torch.Generator, slack: float = 1.0
    ) -> tuple[Samples, int]:
        self.sizes.append(problem.b)
        self.slacks.append(slack)
        index = self.script.pop(0) if self.script else []
        directions = torch.linalg.lstsq(problem.left, CASE.gradients[:, index]).solution.T
        z = (CASE.z[index] - problem.first.bias).T
        rows = torch.linalg.lstsq(problem.first.projected_weight, z).solution.T
        behind = CASE.pair.next_weight.T @ CASE.next_gradients[:, index]
        nexts = torch.linalg.lstsq(problem.back, behind).solution.T
        return Samples(rows, directions, nexts), 10

    def renewed(self, problem: PairProblem, samples: Samples) -> Samples:
        assert problem is CASE.problem
        self.renewals.append(len(samples))
        kept = [k for k in range(len(samples)) if k not in self.wrong]
        return samples[kept]

    def sharpened(self, problem: PairProblem, samples: Samples) -> Samples:
        self.doubts.append(len(samples))
        return samples[[k for k in range(len(samples)) if k not in self.wrong]]


def test_each_find_makes_the_rest_smaller():
    engine = Scripted([0], [3, 4], [], [1], [2, 5])
    search = Peeling(CASE.problem, engine, seed=0)
    for _ in range(5):
        assert not search.solved
        search.round()
    assert search.solved
    assert engine.sizes == [6, 5, 3, 3, 2]
    assert (search.rounds, search.starts, search.missing) == (5, 50, 0)
    order = [0, 3, 4, 1, 2, 5]
    torch.testing.assert_close(search.known.rows, CASE.rows[order], rtol=1e-6, atol=1e-8)


def test_samples_are_solved_anew_at_half_and_at_the_end():
    engine = Scripted([0], [1], [2], [3], [4], [5])
    search = Peeling(CASE.problem, engine, seed=0)
    while not search.solved:
        search.round()
    assert engine.renewals == [3, 2, 1]


def test_rounds_without_a_find_make_it_doubt_what_is_known():
    engine = Scripted([0, 1])
    search = Peeling(CASE.problem, engine, seed=0)
    search.round()
    engine.wrong = {1}
    for _ in range(PATIENCE):
        search.round()
    assert len(search.known) == 1
    torch.testing.assert_close(search.known.rows, CASE.rows[:1], rtol=1e-6, atol=1e-8)
    assert search.missing == 5
    search.round()
    assert engine.sizes == [6, 4, 4, 5]


def test_a_search_that_is_stuck_looks_for_more_and_keeps_what_is_right_on_the_whole():
    engine = Scripted([0, 1, 2], *[[]] * PATIENCE, [3, 4])
    search = Peeling(CASE.problem, engine, seed=0)
    for _ in range(1 + PATIENCE):
        search.round()
    engine.wrong = {1}
    search.round()
    assert engine.slacks == [1.0] * (1 + PATIENCE) + [SLACK]
    assert engine.doubts == [2]
    torch.testing.assert_close(search.known.rows, CASE.rows[:4], rtol=1e-6, atol=1e-8)
    assert search.missing == 2


def test_a_search_that_stays_stuck_drops_what_is_in_doubt():
    engine = Scripted([0, 1, 2])
    search = Peeling(CASE.problem, engine, seed=0)
    for _ in range(STUCK):
        search.round()
    engine.wrong = {1}
    search.round()
    assert engine.doubts == [3]
    torch.testing.assert_close(search.known.rows, CASE.rows[[0, 2]], rtol=1e-6, atol=1e-8)


class Dry(Scripted):
    """An engine that needs no starts, as for a last sample."""

    def search(
        self, problem: PairProblem, generator: torch.Generator, slack: float = 1.0
    ) -> tuple[Samples, int]:
        return super().search(problem, generator, slack)[0], 0


def test_rounds_in_vain_without_starts_count_all_the_same():
    search = Peeling(CASE.problem, Dry([0]), seed=0)
    search.round()
    assert search.starts == 0
    search.round()
    assert search.starts == IN_VAIN


def test_wrong_samples_at_the_end_make_it_go_on():
    engine = Scripted([0, 1, 2, 3, 4, 5])
    engine.wrong = {2}
    search = Peeling(CASE.problem, engine, seed=0)
    search.round()
    assert not search.solved
    assert search.missing == 1


class Doubling(Scripted):
    """An engine by which a wrong sample becomes one that is known."""

    def renewed(self, problem: PairProblem, samples: Samples) -> Samples:
        return samples[[0, 0]]


def test_a_sample_is_known_once():
    search = Peeling(CASE.problem, Doubling([0, 1, 2]), seed=0)
    search.round()
    assert len(search.known) == 1


def test_a_real_engine_solves_it():
    search = Peeling(CASE.problem, SmoothEngine(), seed=0)
    for _ in range(20):
        if search.solved:
            break
        search.round()
    distances = torch.cdist(CASE.rows, search.known.rows)
    assert sorted(distances.argmin(dim=1).tolist()) == list(range(6))
    assert distances.amin(dim=1).max() < 1e-6 * CASE.rows.norm(dim=1).min()
