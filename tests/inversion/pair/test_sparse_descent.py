"""The descent of a pair's search ends where the descent on one layer does, in fewer steps."""

import pytest
import torch
from support.pairs import pair_case
from torch import Tensor

from spear.inversion.descent.coordinates import build_frame
from spear.inversion.descent.deflation import Deflation, Known
from spear.inversion.descent.sphere import ITERATIONS, sparse_directions
from spear.inversion.descent.starts import EXPONENTS, SHARPNESS, Starts, random_starts
from spear.inversion.directions.exact import SEARCH_DTYPE
from spear.inversion.factors.gram import Grams, unit
from spear.inversion.pair import sparse_descent
from spear.inversion.pair.sparse_descent import VAGUE, sparse_ends


@pytest.mark.parametrize("seed", [0, 1])
def test_a_start_that_has_settled_is_where_all_steps_lead(seed, monkeypatch):
    case = pair_case("relu", 12, 80, 40, dtype=torch.float32, seed=seed)
    frame = build_frame(case.problem.first, 1.0, SEARCH_DTYPE)
    generator = torch.Generator().manual_seed(seed)
    drawn = random_starts(40, 12, EXPONENTS, SHARPNESS, generator, SEARCH_DTYPE)
    starts = Starts(unit(drawn.directions), drawn.exponents, drawn.sharpness)
    nothing = case.problem.left.new_zeros(0, 12)
    deflation = Deflation(frame, Known(nothing, nothing), repel=False)
    whole = sparse_directions(frame, Grams(frame.left), starts, deflation)
    steps = []

    def counted(grams: Tensor, vectors: Tensor, ridge: float) -> Tensor:
        steps.append(len(vectors))
        return inverse_iteration(grams, vectors, ridge)

    inverse_iteration = sparse_descent.inverse_iteration
    monkeypatch.setattr(sparse_descent, "inverse_iteration", counted)
    ends = sparse_ends(frame, starts)
    assert float((ends * whole).sum(dim=1).abs().min()) > 1 - 1e-3
    assert steps[: VAGUE + 1] == [40] * (VAGUE + 1)
    assert sum(steps) < 0.8 * 40 * ITERATIONS
