"""Samples of any length behind a homogeneous activation, whatever s is drawn."""

import pytest
import torch
from support.pair_updates import private, share, victim

from spear.budget import Budget
from spear.inversion.pair.any_sign import AnySign
from spear.inversion.pair.choice import ENGINES, suitable
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem
from spear.inversion.pair.search import run
from spear.inversion.pair.solver import Peeling
from spear.inversion.pair.unbiased import free_problem
from spear.observation import UnbiasedPair


def problem_of(activation: str, b: int = 4) -> PairProblem:
    shared = share(victim(activation, deep=True, biases=False), private(b))
    found = free_problem(
        UnbiasedPair(
            shared.weight, shared.weight_gradient, shared.next_weight, shared.next_weight_gradient,
            shared.activation,
        )
    )  # fmt: skip
    assert isinstance(found, PairProblem)
    return found


def engine_of(problem: PairProblem) -> AnySign:
    return AnySign(ENGINES[suitable(problem.activation, problem.spans_activations)]())


def cosines(problem: PairProblem, samples: Samples, b: int) -> torch.Tensor:
    unit = torch.nn.functional.normalize
    return unit(samples.rows @ problem.first.right) @ unit(private(b).inputs.double()).T


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "prelu"])
@pytest.mark.parametrize("b", [1, 4])
def test_every_direction_is_found_with_its_sign(activation, b):
    problem = problem_of(activation, b)
    search = Peeling(problem, engine_of(problem), seed=0)
    run(search, Budget(20.0), max_starts=2000)
    assert search.solved
    best = cosines(problem, search.known, b).max(dim=1)
    assert float(best.values.min()) > 1 - 1e-8
    assert len(best.indices.unique()) == b


def test_one_sum_finds_the_rows_on_its_side_alone():
    problem = problem_of("relu")
    rows = torch.linalg.lstsq(problem.first.right.T, private(4).inputs.double().T).solution.T
    generator = torch.Generator().manual_seed(0)
    sums = torch.randn(4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found, starts = engine_of(problem).search(problem, generator)
    sides = (rows @ sums) > 0
    which = cosines(problem, found, 4).max(dim=1).indices
    assert starts >= 1
    assert bool(sides[which].all())


def test_renewal_keeps_lengths_and_order():
    problem = problem_of("leaky_relu")
    search = Peeling(problem, engine_of(problem), seed=0)
    run(search, Budget(20.0), max_starts=2000)
    renewed = engine_of(problem).renewed(problem, search.known)
    assert len(renewed) == 4
    assert len(engine_of(problem).renewed(problem, search.known[:0])) == 0
    before, after = (cosines(problem, each, 4).argmax(dim=1) for each in (search.known, renewed))
    assert torch.equal(before, after)
