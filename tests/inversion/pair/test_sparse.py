"""A direction that the certificate corrects has the zeros of the row that came of it."""

import pytest
import torch
from support.pairs import PairCase, pair_case
from torch import Tensor

from spear.inversion.factors.gram import unit
from spear.inversion.pair import sparse
from spear.inversion.pair.peeling import Rest


@pytest.fixture(scope="module")
def case() -> PairCase:
    return pair_case("relu", 4, 60, 40)


def kept(case: PairCase, directions: Tensor) -> Tensor:
    """The directions that remain beside the true rows of the first of them."""
    active = torch.zeros(len(directions), case.problem.m, dtype=torch.bool)
    active[:, case.problem.first.active] = (directions @ case.problem.first.left.T).abs() > 1e-9
    rows = case.rows[: len(directions)]
    return sparse._with_the_zeros_of_rows(case.problem, rows, directions, active)


def test_the_zeros_of_a_true_direction_are_those_of_its_row(case: PairCase) -> None:
    true = unit(case.disaggregation.T)
    assert kept(case, true) is true


def test_a_wrong_direction_becomes_the_kernel_of_its_rows_zeros(case: PairCase) -> None:
    """A mixture with another sample is biorthogonal to all rows but that sample's."""
    true = unit(case.disaggregation.T)
    mixed = true.clone()
    mixed[1] = unit((true[1] + 0.3 * true[3])[None])[0]
    found = kept(case, mixed)
    assert torch.equal(found[[0, 2, 3]], true[[0, 2, 3]])
    assert float((found[1] @ true[1]).abs()) == pytest.approx(1.0, abs=1e-12)


def test_the_last_sample_is_wrong_if_a_known_direction_is(case: PairCase) -> None:
    """So that the search would end in vain, although every known row is right."""
    mixed = unit(case.disaggregation.T)
    mixed[1] += 0.3 * mixed[3]
    for directions, right in ((mixed, False), (kept(case, mixed), True)):
        known = sparse.samples_of(case.problem, case.rows, directions)[:3]
        rest = Rest.whole(case.problem).without(known)
        last = rest.in_whole(sparse._sole(rest.problem)).rows[0]
        off = float((last - case.rows[3]).norm() / case.rows[3].norm())
        assert (off < 1e-6) is right
