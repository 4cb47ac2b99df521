"""Rows predicted from directions beside what samples have in common; samples of that alone."""

from dataclasses import replace

import pytest
import torch
from support.pairs import PairCase, pair_case
from torch import Tensor

from spear.client.client import Client
from spear.inversion.descent.coordinates import build_frame
from spear.inversion.pair.beside import beside_common, common, crowded, linear_directions
from spear.inversion.pair.regression_solver import RegressionSearch
from spear.scoring import truth_of

CROWDED = pair_case("relu", b=20, m=90, n=60, classes=4, depth=2)
EASY = pair_case("relu", b=4, m=60, classes=4, depth=2)


def correlations(rows: Tensor) -> Tensor:
    """Of predicted pre-activations with the true ones, for each sample."""
    problem = CROWDED.problem
    z = problem.pre_activations(rows / (rows @ problem.first.bias_coordinates)[:, None])
    pairs = zip(z, CROWDED.z, strict=True)
    return torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in pairs])


def test_rows_are_predicted_better_than_by_orthogonal_columns():
    problem, directions = CROWDED.problem, CROWDED.disaggregation.T
    plain = correlations(directions @ problem.left.T @ problem.left)
    beside = correlations(beside_common(problem, directions))
    assert beside.median() > plain.median() + 0.05
    assert beside.median() > 0.6


def test_the_coordinates_of_a_search_predict_the_same():
    problem, directions = CROWDED.problem, CROWDED.disaggregation.T
    frame = build_frame(problem.first, 0.0, torch.float64, common(problem))
    inside = frame.enter(directions)
    z = inside @ frame.predictor.T / (inside @ frame.sums)[:, None] + frame.bias
    rows = beside_common(problem, directions)
    rows = rows / (rows @ problem.first.bias_coordinates)[:, None]
    active = problem.first.active
    expected = problem.pre_activations(rows)[:, active]
    together = torch.stack([z.flatten(), expected.flatten()])
    assert torch.corrcoef(together)[0, 1] > 0.999  # a small share of the common part stays in


@pytest.mark.parametrize(
    ("case", "expected"),
    [(CROWDED, True), (EASY, False), (pair_case("hardtanh", b=4, classes=4, depth=2), True)],
)
def test_it_is_used_where_columns_are_alike(case, expected):
    assert crowded(case.problem) is expected
    assert (common(case.problem) is not None) is expected


@pytest.mark.parametrize("quiet", [[], [2], [0, 3]])
def test_the_kernel_spans_the_samples_inside_the_inner_piece(quiet):
    case = quieted(quiet)
    assert (case.z.abs() < 1).all(dim=1).nonzero()[:, 0].tolist() == quiet
    directions, nexts = linear_directions(case.problem)
    assert len(directions) == len(quiet)
    columns = directions @ case.problem.left.T
    behind = nexts @ case.problem.back.T
    torch.testing.assert_close(columns, behind, rtol=1e-5, atol=1e-9)
    both = torch.cat([columns, case.gradients.T[quiet]])
    assert torch.linalg.matrix_rank(both, rtol=1e-6) == len(quiet)


def test_the_only_linear_sample_is_known_after_one_round():
    case = quieted([2])
    search = RegressionSearch(case.problem, seed=0)
    search.round()
    found = search.known.directions[0] @ case.problem.left.T
    assert torch.cosine_similarity(found, case.gradients[:, 2], dim=0).abs() > 1 - 1e-10


def quieted(quiet: list[int]) -> PairCase:
    """A pair behind a hardtanh where some samples have small inputs, and so small z."""
    case = pair_case("hardtanh", b=5, m=80, classes=4, depth=2, scale=3.0)
    client = Client(case.network)
    inputs = case.inputs.clone()
    inputs[quiet] /= 30
    batch = replace(case.batch, inputs=inputs)
    update = client.share(batch)
    truth, following = truth_of(client, batch, 1), truth_of(client, batch, 2)
    gradients, nexts = truth.activation_gradients, following.activation_gradients
    return PairCase(case.network, batch, update.observe_pair(1), inputs, gradients, nexts)
