"""Rows of known pieces: the normal equations are those of the projected least squares problem."""

import pytest
import torch

from spear.inversion.factors.gram import Grams
from spear.inversion.pair.projected import projected_equations, solved


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_solution_is_that_of_the_projected_problem(dtype):
    generator = torch.Generator().manual_seed(0)
    predictor, space, weights, constants = (
        torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)
        for shape in ((40, 5), (40, 7), (3, 40), (3, 40))
    )
    space = torch.linalg.qr(space).Q.T
    equations = projected_equations(Grams(predictor), predictor, space, weights, constants)
    found = solved(*equations, equations[1].new_zeros(()))
    outside = torch.eye(40, dtype=dtype) - space.T @ space
    systems = outside @ (weights[:, :, None] * predictor)
    expected = torch.linalg.lstsq(systems, -(constants @ outside)[:, :, None]).solution[:, :, 0]
    tolerance = 1e-3 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def test_singular_equations_take_what_is_given_instead():
    matrices = torch.stack([torch.eye(2), torch.zeros(2, 2)])
    found = solved(matrices, torch.ones(2, 2), torch.full((2, 2), 7.0))
    assert found.tolist() == [[1.0, 1.0], [7.0, 7.0]]
