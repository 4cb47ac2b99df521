"""Backward consistency: the chain rule as equations in a direction, a row and the next gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pairs import ALL, SMOOTH, PairCase, pair_case, relative
from torch import Tensor

from spear.inversion.pair.backward import least_singular_vectors, samples_of_rows
from spear.inversion.pair.rows import RowSpace

TOLERANCE = {torch.float64: 1e-11, torch.float32: 1e-4}
CURVED = [name for name in SMOOTH if name not in ("elu", "selu", "celu", "hardswish")]
"""Without a linear piece: on those, neurons tell nothing of a row's change."""
per_dtype = pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)


@per_dtype
@settings(max_examples=20)
@given(
    name=st.sampled_from(ALL),
    b=st.integers(2, 5),
    classes=st.sampled_from([3, 10]),
    seed=st.integers(0, 1000),
)
def test_true_rows_have_a_direction_and_others_have_none(dtype, name, b, classes, seed):
    case = pair_case(name, b=b, classes=classes, depth=2, dtype=dtype, seed=seed)
    problem = case.problem
    found, residuals = samples_of_rows(problem, case.rows)
    assert (residuals < TOLERANCE[dtype]).all()
    assert relative(problem.left @ found.directions.T, case.gradients) < 100 * TOLERANCE[dtype]
    behind = case.pair.next_weight.double().T @ case.next_gradients
    active = problem.activation.slope(case.z).T.abs() > 0.01
    assert relative((problem.back @ found.next_coordinates.T)[active], behind[active]) < (
        100 * TOLERANCE[dtype]
    )
    products = (found.rows * found.directions).sum(dim=1)
    torch.testing.assert_close(products, torch.ones_like(products))
    if name in SMOOTH:  # behind a kink, it sees no more of a row than its pattern
        others = RowSpace.of(problem)
        rows = others.rows(others.random(20, torch.Generator().manual_seed(seed)))
        assert (samples_of_rows(problem, rows)[1] > 1e-3).all()


def jacobian(case: PairCase, neurons: Tensor, sample: int) -> Tensor:
    """Of L q - sigma'(M (p0 + N v) + c1) * (V e) in (q, v, e) at a true sample, by autograd."""
    problem, space = case.problem, RowSpace.of(case.problem)
    b, d = problem.b, space.dimension
    base = problem.pre_activations(space.point)[neurons]
    predictor = problem.first.projected_weight[neurons] @ space.basis

    def residual(x: Tensor) -> Tensor:
        q, v, e = x[:b], x[b : b + d], x[b + d :]
        z = (base + predictor @ v).requires_grad_()
        slope = torch.autograd.grad(problem.activation.value(z).sum(), z, create_graph=True)[0]
        return problem.left[neurons] @ q - slope * (problem.back[neurons] @ e)

    true = case.samples[[sample]]
    v = space.coordinates(true.rows)
    x = torch.cat([true.directions, v, true.next_coordinates], dim=1)[0]
    assert residual(x.requires_grad_()).norm() < 1e-12 * (problem.left @ x[:b]).norm()
    return torch.autograd.functional.jacobian(residual, x.detach())


@pytest.mark.parametrize("name", CURVED)
@pytest.mark.parametrize(("b", "classes"), [(3, 10), (5, 4)])
@pytest.mark.few(7)
def test_2b_plus_r_minus_2_equations_leave_but_the_scale(name: str, b: int, classes: int) -> None:
    case = pair_case(name, b=b, classes=classes, depth=2, scale=2.0)
    unknowns = 2 * b + case.problem.r - 1
    for count in range(unknowns - 3, unknowns + 3):
        neurons = torch.randperm(60, generator=torch.Generator().manual_seed(0))[:count]
        for sample in range(b):
            J = jacobian(case, neurons, sample)
            assert J.shape == (count, unknowns)
            values = torch.linalg.svdvals(J / J.norm(dim=0))
            rank = int((values > 1e-11 * values[0]).sum())
            assert rank == min(count, unknowns - 1), (count, values)


def test_the_least_singular_vectors_are_those_of_the_decomposition() -> None:
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(7, 20, 6, generator=generator, dtype=torch.float64)
    matrices[0] @= torch.diag(torch.tensor([1, 1, 1, 1, 1, 1e-9]).double())
    matrices[1, :, 3] = matrices[1, :, 2]
    u, values, vectors = torch.linalg.svd(matrices, full_matrices=False)
    values[2:, -1] *= 0.01
    matrices = u @ (values[:, :, None] * vectors)
    found = least_singular_vectors(matrices)
    cosines = (found * vectors[:, -1]).sum(dim=1).abs()
    torch.testing.assert_close(cosines, torch.ones_like(cosines), rtol=0, atol=1e-9)
    lengths = torch.linalg.vector_norm(found, dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_a_matrix_with_a_column_of_zeros_has_it_as_its_kernel() -> None:
    matrices = torch.randn(1, 8, 3, generator=torch.Generator().manual_seed(0)).double()
    matrices[:, :, 1] = 0.0
    found = least_singular_vectors(matrices)
    torch.testing.assert_close(found.abs(), torch.tensor([[0.0, 1.0, 0.0]]).double())
