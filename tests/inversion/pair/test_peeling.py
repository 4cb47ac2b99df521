"""Peeling: what remains is the layer pair of the other samples alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pairs import ALL, PairCase, pair_case, relative
from torch import Tensor

from spear.inversion.pair.peeling import Rest, Samples

RANKS = {"spanning": (5, 10), "fewer": (6, 4), "one": (5, 2)}
"""Inputs and classes: G2 has rank b, or K - 1 < b."""


def projector(rows: Tensor) -> Tensor:
    """Onto the span of rows."""
    basis = torch.linalg.qr(rows.T).Q
    return basis @ basis.T


def kept_of(case: PairCase, count: int, seed: int) -> tuple[list[int], list[int]]:
    """Samples that are taken out, and those that remain."""
    order = torch.randperm(case.b, generator=torch.Generator().manual_seed(seed)).tolist()
    return order[:count], sorted(order[count:])


def peeled(name: str, shape: str, seed: int, data) -> tuple[PairCase, list[int], Rest]:
    """A pair, the samples that remain of it, and the rest of the pair without the others."""
    b, classes = RANKS[shape]
    case = pair_case(name, b=b, classes=classes, depth=2, seed=seed)
    taken, kept = kept_of(case, data.draw(st.integers(1, b - 1)), seed)
    return case, kept, Rest.whole(case.problem).without(case.samples[taken])


def on_random_pairs(test):
    """Run a test on pairs of every activation, with r = b and r < b, and a choice of its own."""
    drawn = given(
        name=st.sampled_from(ALL),
        shape=st.sampled_from(sorted(RANKS)),
        seed=st.integers(0, 1000),
        data=st.data(),
    )
    return settings(max_examples=20)(drawn(test))


@on_random_pairs
def test_the_rest_is_the_pair_of_the_others(name, shape, seed, data):
    case, kept, rest = peeled(name, shape, seed, data)
    found, alone = rest.problem, case.of(kept).problem
    assert (found.b, found.m, found.r) == (alone.b, alone.m, min(alone.b, RANKS[shape][1] - 1))
    error = 1e-7 * float(torch.linalg.cond(case.gradients))
    # G1: the same singular values, columns and pre-activations.
    values = found.first.singular_values
    active = torch.linalg.svdvals(case.gradients[:, kept] @ case.inputs[kept])[: len(kept)]
    torch.testing.assert_close(values, active, rtol=error, atol=0)
    left = found.left / case.problem.first.left.shape[0] ** 0.5
    torch.testing.assert_close(left.T @ left, torch.eye(found.b).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(
        projector(found.left.T), projector(case.gradients[:, kept].T), rtol=0, atol=error
    )
    # G2: the same singular values and row space.
    if alone.r == found.r:
        torch.testing.assert_close(found.next_values, alone.next_values, rtol=error, atol=0)
        torch.testing.assert_close(
            projector(found.activations), projector(alone.activations), rtol=0, atol=error
        )


@on_random_pairs
def test_its_samples_are_those_of_the_whole(name, shape, seed, data):
    case, kept, rest = peeled(name, shape, seed, data)
    problem, error = rest.problem, 1e-7 * float(torch.linalg.cond(case.gradients))
    # Its Q and rows from the gradients, its E from G2.
    directions = torch.linalg.lstsq(problem.left, case.gradients[:, kept]).solution
    rows = torch.linalg.inv(directions)
    assert relative(problem.pre_activations(rows), case.z[kept]) < error
    sums = rows @ problem.first.bias_coordinates
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=error)
    a = problem.activation.value(problem.pre_activations(rows))
    second = problem.next_values[:, None] * problem.activations
    nexts = torch.linalg.lstsq(a.T, second.T).solution
    assert relative(problem.activation.slope(case.z[kept]) * (nexts @ problem.back.T),
                    case.gradients[:, kept].T) < error  # fmt: skip
    if problem.next_bias is not None:
        assert float((nexts.sum(dim=0) - problem.next_bias).norm() / nexts.norm()) < error
    whole, true = rest.in_whole(Samples(rows, directions.T, nexts)), case.samples[kept]
    assert relative(whole.rows, true.rows) < error
    assert relative(whole.directions, true.directions) < error
    behind = true.next_coordinates @ case.problem.back.T
    assert relative(whole.next_coordinates @ case.problem.back.T, behind) < error


@pytest.mark.parametrize("shape", RANKS)
def test_twice_is_once(shape):
    b, classes = RANKS[shape]
    case = pair_case("gelu", b=b, classes=classes, depth=2)
    first = Rest.whole(case.problem).without(case.samples[[0, 3]])
    inner = torch.linalg.lstsq(first.problem.left, case.gradients[:, [1]]).solution.T
    row = torch.linalg.lstsq(
        first.problem.first.projected_weight, case.z[[1]].T - first.problem.first.bias[:, None]
    ).solution.T
    next_coordinates = torch.linalg.lstsq(
        first.problem.back, case.pair.next_weight.T @ case.next_gradients[:, [1]]
    ).solution.T
    twice = first.without(Samples(row, inner, next_coordinates))
    once = Rest.whole(case.problem).without(case.samples[[0, 1, 3]])
    torch.testing.assert_close(twice.problem.first.singular_values,
                               once.problem.first.singular_values)  # fmt: skip
    torch.testing.assert_close(twice.problem.next_values, once.problem.next_values)
    for name in ("row_map", "direction_map", "next_map"):
        a, c = getattr(twice, name), getattr(once, name)
        if name == "row_map":
            a, c = a.T, c.T
        torch.testing.assert_close(projector(a.T), projector(c.T), rtol=0, atol=1e-7)


def test_the_whole_keeps_its_coordinates():
    case = pair_case("gelu")
    whole = Rest.whole(case.problem)
    assert whole.problem is case.problem
    for found, true in zip(
        vars(whole.in_whole(case.samples)).values(), vars(case.samples).values(), strict=True
    ):
        assert torch.equal(found, true)


def test_errors_of_float32_stay_errors_of_float32():
    case = pair_case("gelu", b=6, dtype=torch.float32)
    rest = Rest.whole(case.problem).without(case.samples[[0, 1, 2, 3]])
    alone = torch.linalg.svdvals(case.gradients[:, 4:] @ case.inputs[4:])[:2]
    torch.testing.assert_close(rest.problem.first.singular_values, alone, rtol=1e-5, atol=0)


def test_samples_are_lists():
    case = pair_case("gelu")
    nothing = Samples.nothing(case.problem)
    assert len(nothing) == 0
    both = nothing.and_others(case.samples[[2]]).and_others(case.samples[[0, 1]])
    assert len(both) == 3
    assert torch.equal(both.rows, case.rows[[2, 0, 1]])
    assert torch.equal(both.next_coordinates, case.next_coordinates[[2, 0, 1]])
    mask = torch.tensor([True, False, True])
    assert torch.equal(both[mask].directions, case.disaggregation.T[[2, 1]])
