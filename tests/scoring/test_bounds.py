"""Bounds that know one factor of the update: closed forms, and exhaustive search."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.problems import make_problem
from torch import Tensor

from spear.client.client import Client
from spear.client.defenses import DPSGD
from spear.client.local_training import FedAvg
from spear.data import Batch
from spear.networks import fcnn
from spear.scoring import Truth, truth_of
from spear.scoring.bounds import (
    determined_directions,
    explains,
    gradients_given_inputs,
    inputs_given_gradients,
)
from spear.scoring.truth import _distinct

SEEDS = st.integers(0, 10_000)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(SEEDS, st.integers(1, 6))
def test_either_factor_of_a_product_gives_the_other(seed, b):
    gradients, inputs = normal(12, b, seed=seed), normal(b, 15, seed=seed + 1)
    update = gradients @ inputs
    torch.testing.assert_close(gradients_given_inputs(update, inputs), gradients)
    torch.testing.assert_close(inputs_given_gradients(update, gradients), inputs)


@given(SEEDS)
def test_no_other_factor_is_nearer_to_a_noisy_update(seed):
    inputs, update = normal(3, 15, seed=seed), normal(12, 15, seed=seed + 1)
    best = gradients_given_inputs(update, inputs)
    left = torch.linalg.matrix_norm(update - best @ inputs)
    moved = best + 0.01 * normal(12, 3, seed=seed + 2)
    assert left < torch.linalg.matrix_norm(update - moved @ inputs)


def test_equal_inputs_share_what_cannot_be_told_apart():
    inputs = torch.cat([normal(2, 15, seed=0), normal(1, 15, seed=0)])
    inputs[2] = inputs[0]
    gradients = normal(12, 3, seed=1)
    shared = gradients_given_inputs(gradients @ inputs, inputs)
    together = (gradients[:, 0] + gradients[:, 2]) / 2
    torch.testing.assert_close(shared[:, 0], together)
    torch.testing.assert_close(shared[:, 2], together)


def exhaustive(gradients: Tensor) -> int:
    """Columns for which some b - 1 rows are zero there and of full rank, looking at all of them."""
    m, b = gradients.shape
    met = set()
    for rows in combinations(range(m), b - 1):
        submatrix = gradients[list(rows)]
        zero = (submatrix == 0).all(dim=0).nonzero().flatten().tolist()
        if len(zero) == 1 and torch.linalg.matrix_rank(submatrix) == b - 1:
            met.add(zero[0])
    return len(met)


@given(SEEDS, st.integers(2, 4), st.integers(2, 9))
def test_an_exhaustive_search_meets_the_directions_that_are_determined(seed, b, m):
    entries = normal(m, b, seed=seed)
    gradients = entries.abs() * (normal(m, b, seed=seed + 1) > 0)
    gradients = gradients[:, gradients.any(dim=0)]
    assert determined_directions(gradients) == (
        exhaustive(gradients) if gradients.shape[1] > 1 else gradients.shape[1]
    )


def confirmed(gradients: Tensor) -> int:
    """Columns whose zero rows determine them even if any one row is left out."""
    b = gradients.shape[1]
    sure = 0
    for i in range(b):
        rows = gradients[gradients[:, i] == 0]
        without = [torch.cat([rows[:k], rows[k + 1 :]]) for k in range(len(rows))] or [rows]
        sure += all(len(each) and torch.linalg.matrix_rank(each) == b - 1 for each in without)
    return sure


@given(SEEDS, st.integers(2, 4), st.integers(4, 12))
def test_a_direction_to_spare_is_determined_without_any_one_row(seed, b, m):
    gradients = normal(m, b, seed=seed).abs() * (normal(m, b, seed=seed + 1) > 0)
    gradients = gradients[:, gradients.any(dim=0)]
    if gradients.shape[1] > 1:
        assert determined_directions(gradients, to_spare=True) == confirmed(gradients)


def test_a_column_of_zeros_is_no_direction():
    gradients = normal(20, 3, seed=0).relu()
    without = determined_directions(gradients)
    assert without == 3
    assert determined_directions(torch.cat([gradients, torch.zeros(20, 1)], dim=1)) == without


@pytest.fixture
def batch():
    return Batch(normal(5, 12, seed=0).float(), torch.arange(5) % 3)


def test_of_a_plain_gradient_the_shared_part_is_dl_dz_itself():
    problem = make_problem(b=4, dtype=torch.float32)
    client = Client(problem.network)
    truth = truth_of(client, problem.batch, 1, client.share(problem.batch))
    assert truth.shared_gradients is truth.activation_gradients


def test_clipping_scales_the_columns_of_dl_dz(batch):
    network = fcnn((12,), 3, width=40, depth=3, seed=1)
    client = Client(network, defense=DPSGD(max_norm=0.3, noise_std=0.0))
    truth = truth_of(client, batch, 1, client.share(batch))
    factors = truth.shared_gradients / truth.activation_gradients.double()
    for column in factors.T:
        scale = column[column.isfinite()]
        assert 0 < scale.mean() < 1
        torch.testing.assert_close(scale, scale.mean().expand_as(scale), rtol=1e-2, atol=0.0)


def test_local_steps_add_up(batch):
    network = fcnn((12,), 3, width=40, depth=3, seed=1)
    client = Client(network, fedavg=FedAvg(epochs=4, learning_rate=1e-3))
    truth = truth_of(client, batch, 1, client.share(batch))
    summed = 4 * truth.activation_gradients.double()
    torch.testing.assert_close(truth.shared_gradients, summed, rtol=0.05, atol=1e-3)


SHARED = {
    "clipped": {"defense": DPSGD(max_norm=0.3, noise_std=0.0)},
    "after local steps": {"fedavg": FedAvg(epochs=4, learning_rate=1e-3)},
}


@pytest.mark.parametrize("changed", SHARED)
def test_the_shared_factor_gives_the_inputs_and_dl_dz_does_not(batch, changed):
    """To float32's rounding: the bound of an update without noise is no bound."""
    client = Client(fcnn((12,), 3, width=40, depth=3, seed=1), **SHARED[changed])
    truth = truth_of(client, batch, 1, client.share(batch))
    assert truth.best_inputs is not None
    torch.testing.assert_close(truth.best_inputs, truth.inputs.double(), rtol=0.0, atol=1e-3)
    plain = inputs_given_gradients(truth.weight_update, truth.activation_gradients)
    assert (plain - truth.inputs).abs().max() > 1e-2


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_an_update_that_is_not_finite_bounds_nothing(batch, value):
    client = Client(fcnn((12,), 3, width=40, depth=3, seed=1))
    update = client.share(batch)
    for gradient in update.gradients.values():
        gradient.fill_(value)
    truth = truth_of(client, batch, 1, update)
    assert truth.weight_update is None
    assert truth.best_inputs is None


def test_without_an_update_nothing_is_known_of_it():
    truth = Truth(torch.ones(2, 3), torch.ones(4, 2), torch.zeros(2))
    assert truth.best_inputs is None
    assert truth.shared_gradients is truth.activation_gradients


@pytest.mark.parametrize(("angle", "expected"), [(5e-6, 2), (4e-6, 1), (3e-6, 0)])
def test_columns_are_told_apart_down_to_an_eigenvalue_of_1e_11(angle, expected):
    """Of the columns (0, 0, 1), (1, 0, 0) and (cos, sin, 0) two pairs are of unit columns.

    Without the first, their Gram matrix has 1 - cos = angle^2 / 2; without the second it has
    sin^2. The third column has but one zero.
    """
    turned = torch.tensor([angle], dtype=torch.float64)
    columns = torch.zeros(3, 3, dtype=torch.float64)
    columns[2, 0] = columns[0, 1] = 1.0
    columns[0, 2], columns[1, 2] = turned.cos(), turned.sin()
    assert determined_directions(columns) == expected


@pytest.mark.parametrize(("relative", "explained"), [(0.99e-5, True), (1.01e-5, False)])
def test_an_update_is_explained_up_to_the_rounding_of_float32(relative, explained):
    gradients, inputs = normal(12, 3, seed=0), normal(3, 15, seed=1)
    product, error = gradients @ inputs, normal(12, 15, seed=2)
    update = product + relative * error * product.norm() / error.norm()
    assert explains(update, gradients, inputs) == explained


@pytest.mark.parametrize(("relative", "groups"), [(0.99e-6, [0, 0]), (1.01e-6, [0, 1])])
def test_hidden_states_are_equal_up_to_a_millionth(relative, groups):
    rows = torch.tensor([[3.0, 4.0], [3.0, 4.0]], dtype=torch.float64)
    rows[1] *= 1 + relative
    kept, group = _distinct(rows)
    assert group.tolist() == groups
    assert kept.tolist() == sorted(set(groups))


def test_hidden_states_of_zeros_are_equal():
    kept, group = _distinct(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
    assert (kept.tolist(), group.tolist()) == ([0, 1], [0, 1, 0])
    assert [len(each) for each in _distinct(torch.zeros(0, 2))] == [0, 0]


def test_many_hidden_states_of_float32_are_told_apart():
    """3e-6 apart; products of float32 do not tell such rows apart."""
    steps = torch.arange(40, dtype=torch.float64)[:, None] * 3e-6
    rows = ((1 + steps) * normal(1, 64, seed=0)).float()
    kept, _ = _distinct(rows)
    assert len(kept) == 40


def test_the_best_estimate_of_float32_has_the_precision_of_float64():
    gradients, update = normal(30, 6, seed=0).float(), normal(30, 15, seed=1).float()
    expected, *_ = np.linalg.lstsq(gradients.double().numpy(), update.double().numpy())
    found = inputs_given_gradients(update, gradients)
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-10, atol=1e-12)
    inputs = normal(6, 15, seed=2).float()
    expected, *_ = np.linalg.lstsq(inputs.T.double().numpy(), update.T.double().numpy())
    found = gradients_given_inputs(update, inputs)
    torch.testing.assert_close(found, torch.from_numpy(expected.T), rtol=1e-9, atol=1e-12)
