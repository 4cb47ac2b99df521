"""The descent on two residuals a neuron."""

import pytest
import torch
from support.pairs import PairCase, pair_case
from support.problems import sine_distance, unit_columns

from spear.inversion.descent.coordinates import build_frame
from spear.inversion.descent.deflation import Deflation, Known
from spear.inversion.descent.starts import EXPONENTS, SHARPNESS, Starts, random_starts
from spear.inversion.factors.gram import unit
from spear.inversion.pair.regressions import Regressions


def prepared(case: PairCase) -> tuple[Regressions, Deflation, torch.Tensor]:
    """The regressions in float64, and E in their coordinates."""
    problem = case.problem
    frame = build_frame(problem.first, 0.0, torch.float64)
    active = problem.first.active
    columns, triangle = torch.linalg.qr(problem.back[active])
    scale = len(columns) ** 0.5
    pieces = problem.activation.pieces
    assert pieces is not None
    outer = torch.as_tensor(pieces.outer, dtype=torch.float64).expand(problem.m)[active]
    nothing = Known(problem.left.new_zeros(0, problem.b), problem.left.new_zeros(0, problem.b))
    nexts = case.next_coordinates @ triangle.T / scale
    deflation = Deflation(frame, nothing, repel=True)
    return Regressions(frame, columns * scale, outer, pieces), deflation, nexts


@pytest.mark.parametrize("shape", [(4, 10, 3), (6, 4, 2)])
def test_random_starts_meet_true_directions(shape: tuple[int, int, int]) -> None:
    b, classes, depth = shape
    case = pair_case("leaky_relu", b=b, classes=classes, depth=depth)
    regressions, deflation, nexts = prepared(case)
    generator = torch.Generator().manual_seed(0)
    starts = random_starts(200, b, EXPONENTS, SHARPNESS, generator, torch.float64)
    starts = Starts(unit(starts.directions), starts.exponents, starts.sharpness)
    found, e = regressions.descend(starts, deflation)
    true = unit(regressions.frame.enter(unit(case.disaggregation.T)))
    errors = sine_distance(unit_columns(found.T), true.T)
    hits = (errors < 1e-3).any(dim=1)
    assert hits.double().mean() > 0.2
    assert (errors.amin(dim=0) < 1e-3).sum() >= b - 1
    cosines = torch.cosine_similarity(e[hits], nexts[errors[hits].argmin(dim=1)]).abs()
    assert (cosines > 1 - 1e-4).all()
