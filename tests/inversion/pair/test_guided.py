"""Forward consistency guides the search for sparse directions."""

import pytest
import torch
from support.pairs import PairCase, pair_case, worst_psnr
from torch import Tensor

from spear.inversion.descent.coordinates import build_frame
from spear.inversion.descent.starts import Starts, random_starts
from spear.inversion.directions.exact import SEARCH_DTYPE
from spear.inversion.factors.gram import unit
from spear.inversion.pair.finish import determined_by_zeros, finished
from spear.inversion.pair.guided import Guide
from spear.inversion.pair.proof import evidence, verdict
from spear.inversion.pair.solver import Peeling
from spear.inversion.pair.sparse import SparseEngine
from spear.inversion.pair.sparse_descent import sparse_ends
from spear.reconstruction import Status


def guide_of(case: PairCase, dtype: torch.dtype = torch.float64) -> Guide:
    return Guide.of(case.problem, build_frame(case.problem.first, 1.0, dtype))


def test_a_row_that_is_nearly_right_is_led_towards_the_true_one():
    case = pair_case("relu", 12, 60, 40)
    guide = guide_of(case)
    rows = guide.frame.enter_rows(case.rows)
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(rows.shape, generator=generator, dtype=rows.dtype)
    expected = rows + 0.3 * rows.norm(dim=1, keepdim=True) * unit(noise)
    solved = guide.solved_rows(expected)
    before, after = ((each - rows).norm(dim=1) / rows.norm(dim=1) for each in (expected, solved))
    assert (after < 0.95 * before).all()
    assert float(after.mean()) < float(before.mean()) / 2


def test_inactive_neurons_have_no_part_in_the_row_space():
    case = pair_case("relu", 4, 60, 40)
    idle = torch.ones(60, dtype=torch.bool)
    idle[case.problem.first.active] = False
    assert bool(idle.any())
    assert float(case.problem.activations[:, idle].abs().max()) < 1e-12


def hits(case: PairCase, found: Tensor) -> int:
    """Count the different true directions among those found."""
    true = unit(case.disaggregation.T)
    cosines, which = (unit(found.double()) @ true.T).abs().max(dim=1)
    return len(set(which[1 - cosines < 1e-4].tolist()))


def test_more_starts_hit_where_neurons_are_few():
    case = pair_case("relu", 40, 115, 60, dtype=torch.float32)
    frame = build_frame(case.problem.first, 1.0, SEARCH_DTYPE)
    generator = torch.Generator().manual_seed(0)
    drawn = random_starts(100, 40, (1.0,), (2.0,), generator, SEARCH_DTYPE)
    starts = Starts(unit(drawn.directions), drawn.exponents, drawn.sharpness)
    guided = sparse_ends(frame, starts, Guide.of(case.problem, frame))
    alone = sparse_ends(frame, starts)
    assert hits(case, frame.leave(guided)) >= 2 * hits(case, frame.leave(alone)) + 5


@pytest.mark.parametrize("seed", [0, 1])
def test_a_batch_is_exact_if_some_samples_leave_too_few_zeros(seed):
    """There the zeros of L q have a kernel of more than one dimension."""
    case = pair_case("relu", 32, 75, 60, dtype=torch.float32, seed=seed)
    assert not bool(determined_by_zeros(case.problem, case.rows).all())
    search = Peeling(case.problem, SparseEngine(), 0)
    for _ in range(60):
        if not search.solved:
            search.round()
    assert search.solved
    disaggregation = finished(case.problem, search.known)
    assert verdict(case.problem, evidence(case.problem, disaggregation)) == Status.EXACT
    found = torch.linalg.solve(disaggregation, case.problem.first.right)
    assert worst_psnr(found, case.inputs) > 100
