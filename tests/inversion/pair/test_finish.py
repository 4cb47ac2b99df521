"""From nearly right samples to the whole batch."""

import pytest
import torch
from support.pairs import PIECEWISE, pair_case, relative

from spear.inversion.pair.finish import finished, inactive, kernels, unfinished
from spear.inversion.pair.peeling import Samples


@pytest.mark.parametrize("name", [*PIECEWISE, "gelu", "tanh", "sigmoid"])
@pytest.mark.parametrize("shape", [(4, 10, 3), (5, 4, 2)])
def test_the_whole_batch_is_fitted(name: str, shape: tuple[int, int, int]) -> None:
    b, classes, depth = shape
    case = pair_case(name, b=b, classes=classes, depth=depth)
    noise = torch.randn(b, b, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    near = case.rows * (1 + 1e-6 * noise)
    samples = Samples(near, torch.linalg.inv(near).T.contiguous(), case.next_coordinates)
    found = finished(case.problem, samples)
    assert relative(found, case.disaggregation) < 1e-8


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_some_samples_come_first_in_a_basis(count: int) -> None:
    case = pair_case("gelu", b=5)
    found = unfinished(case.problem, case.samples[list(range(count))])
    assert torch.linalg.svdvals(found)[-1] > 0
    true = case.disaggregation[:, :count]
    assert found[:, :count].shape == true.shape
    cosines = torch.cosine_similarity(found[:, :count], true, dim=0)
    torch.testing.assert_close(cosines, torch.ones_like(cosines))
    inputs = torch.linalg.solve(found, case.problem.first.right)[:count]
    torch.testing.assert_close(inputs, case.inputs[:count], rtol=1e-6, atol=1e-8)


def test_kernels_of_the_inactive_neurons_are_the_directions() -> None:
    case = pair_case("relu", b=5)
    found = kernels(case.problem, case.rows)
    cosines = torch.cosine_similarity(found, case.disaggregation.T).abs()
    torch.testing.assert_close(cosines, torch.ones_like(cosines))


def test_no_rows_leave_no_neuron_inactive() -> None:
    case = pair_case("relu", b=5)
    assert inactive(case.problem, case.rows[:0]).shape == (0, int(case.problem.first.active.sum()))
