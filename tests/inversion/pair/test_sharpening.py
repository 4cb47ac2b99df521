"""Known samples are solved to rounding where normal equations are singular."""

import torch

from spear.client.client import Client
from spear.data.base import Batch
from spear.inversion import SpearPair
from spear.inversion.pair.backward import samples_of_rows
from spear.inversion.pair.problem import pair_problem
from spear.inversion.pair.sharpening import _step, backward_sharpened
from spear.networks import fcnn

B, N, M = 12, 60, 80


def test_samples_behind_a_sigmoid_are_sharpened_to_rounding():
    generator = torch.Generator().manual_seed(0)
    batch = Batch(torch.randn(B, N, generator=generator), torch.arange(B) % 10)
    shared = Client(fcnn((N,), 10, M, 6, activation="sigmoid")).share(batch)
    problem = pair_problem(SpearPair().observe(shared))
    inputs = batch.inputs.double()
    rows = torch.linalg.lstsq(problem.first.right.T, inputs.T).solution.T
    noise = torch.randn(B, B, generator=generator, dtype=torch.float64)
    noise -= (noise @ problem.first.bias_coordinates)[:, None] * (
        problem.first.bias_coordinates / problem.first.bias_coordinates.square().sum()
    )  # s . p = 1 stays
    wrong = rows + 1e-3 * noise * rows.norm(dim=1, keepdim=True) / B**0.5
    found = backward_sharpened(problem, samples_of_rows(problem, wrong)[0])
    assert len(found) == B
    distances = torch.linalg.vector_norm(found.rows - rows, dim=1)
    assert bool((distances < 1e-4 * torch.linalg.vector_norm(rows, dim=1)).all())
    assert bool(
        (torch.linalg.vector_norm(wrong - rows, dim=1) > 3e-4 * rows.norm(dim=1)).all()
    )  # so that there was something to do


def test_an_entry_that_changes_nothing_is_left_alone():
    """A column of zeros in the Jacobian: tiny inputs, or gradients of 16 bits."""

    class Flat:
        def linearised(self, points):
            jacobian = torch.tensor([[[2.0, 0.0], [0.0, 0.0]]], dtype=torch.float64)
            return torch.tensor([[4.0, 1.0]], dtype=torch.float64), jacobian

    step = _step(Flat(), torch.zeros(1, 2, dtype=torch.float64))
    torch.testing.assert_close(step, torch.tensor([[-2.0, 0.0]], dtype=torch.float64))
