"""The engines find true samples, and drop wrong ones when they solve them anew."""

import pytest
import torch
from support.pairs import PairCase, pair_case

from spear.inversion.pair.engine import Engine
from spear.inversion.pair.peeling import Rest, Samples
from spear.inversion.pair.piecewise import PiecewiseEngine
from spear.inversion.pair.smooth import SmoothEngine
from spear.inversion.pair.sparse import SparseEngine
from spear.inversion.pair.wide import WideEngine

WIDE = {"b": 5, "depth": 3}
NARROW = {"b": 6, "classes": 4, "depth": 2}
ENGINES = {
    "sparse": (SparseEngine, "relu", WIDE),
    "wide": (WideEngine, "relu", WIDE),
    "leaky": (PiecewiseEngine, "leaky_relu", WIDE),
    "relu6": (PiecewiseEngine, "relu6", WIDE),
    "gelu": (SmoothEngine, "gelu", WIDE),
    "hardtanh": (SmoothEngine, "hardtanh", WIDE),
    "narrow gelu": (SmoothEngine, "gelu", NARROW),
    "narrow sigmoid": (SmoothEngine, "sigmoid", NARROW),
    "narrow selu": (SmoothEngine, "selu", NARROW),
}
per_engine = pytest.mark.parametrize("name", ENGINES)


def made(name: str, dtype: torch.dtype = torch.float32) -> tuple[Engine, PairCase]:
    engine, activation, shape = ENGINES[name]
    return engine(), pair_case(activation, dtype=dtype, **shape)  # type: ignore[arg-type]


def true_indices(found: Samples, case: PairCase, error: float = 1e-3) -> list[int]:
    """Which true sample each found one is; it must be one in all of its parts."""
    chosen = []
    for k in range(len(found)):
        distances = (case.rows - found.rows[k]).norm(dim=1) / case.rows.norm(dim=1)
        index = int(distances.argmin())
        assert float(distances[index]) < error
        columns = case.problem.left @ found.directions[k]
        true = case.gradients[:, index]
        assert float((columns - true).norm() / true.norm()) < error
        behind = case.problem.activation.slope(case.z[index]) * (
            case.problem.back @ found.next_coordinates[k]
        )
        assert float((behind - true).norm() / true.norm()) < error
        chosen.append(index)
    return chosen


@per_engine
def test_a_search_finds_true_samples_alone(name: str) -> None:
    engine, case = made(name)
    generator = torch.Generator().manual_seed(0)
    met: set[int] = set()
    for _ in range(5):
        found, starts = engine.search(case.problem, generator)
        assert starts > 0
        indices = true_indices(found, case)
        assert len(set(indices)) == len(indices)
        met |= set(indices)
    assert len(met) >= case.b - 2


@per_engine
def test_a_search_of_the_rest_finds_the_others(name: str) -> None:
    engine, case = made(name)
    rest = Rest.whole(case.problem).without(case.samples[[0, 1, 2]])
    found = Samples.nothing(case.problem)
    for seed in range(4):
        more, _ = engine.search(rest.problem, torch.Generator().manual_seed(seed))
        found = found.and_others(rest.in_whole(more))
    assert set(true_indices(found, case)) <= set(range(3, case.b))
    assert len(found) > 0


@per_engine
def test_the_last_sample_needs_no_luck(name: str) -> None:
    engine, case = made(name)
    rest = Rest.whole(case.problem).without(case.samples[list(range(case.b - 1))])
    found, _ = engine.search(rest.problem, torch.Generator().manual_seed(0))
    assert true_indices(rest.in_whole(found), case) == [case.b - 1]


@per_engine
def test_solved_anew_errors_go_and_wrong_samples_are_dropped(name: str) -> None:
    engine, case = made(name)
    true = case.samples
    generator = torch.Generator().manual_seed(0)
    noise = 1e-6 * torch.randn(true.rows.shape, generator=generator, dtype=torch.float64)
    near = Samples(true.rows * (1 + noise), true.directions * (1 + noise), true.next_coordinates)
    wrong = Samples(
        (true.rows[:1] + true.rows[1:2]) / 2,
        true.directions[:1] + true.directions[1:2],
        true.next_coordinates[:1],
    )
    found = engine.renewed(case.problem, near.and_others(wrong))
    # What is wrong may lead to a true sample, which is then there twice.
    indices = true_indices(found, case, error=1e-3)
    assert indices[: case.b] == list(range(case.b))
    assert len(indices) <= case.b + 1


@per_engine
def test_sharpened_samples_are_those_that_are_right(name: str) -> None:
    engine, case = made(name)
    generator = torch.Generator().manual_seed(0)
    noise = 1e-6 * torch.randn(case.rows.shape, generator=generator, dtype=torch.float64)
    true = case.samples
    near = Samples(true.rows * (1 + noise), true.directions * (1 + noise), true.next_coordinates)
    found = engine.sharpened(case.problem, near)
    assert true_indices(found, case) == list(range(case.b))
    assert len(engine.sharpened(case.problem, near[:0])) == 0
