"""Inputs of an attack without a proof: their directions, and what makes them exact."""

import pytest
import torch
from support.problems import factorized, make_problem, sine_distance, unit_columns
from support.recovery import true_directions

from spear.budget import Budget
from spear.inversion.directions.of_inputs import directions_of_inputs, judged
from spear.reconstruction import Status

DTYPES = [torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_true_inputs_have_the_true_directions(dtype):
    made = make_problem(6, m=80, dtype=dtype)
    problem, true = true_directions(made)
    found = directions_of_inputs(problem, made.truth.inputs.double())
    assert sine_distance(unit_columns(found), true).diagonal().max() < 1e-4
    gradients = problem.left @ found
    expected = made.truth.activation_gradients.double()[problem.active]
    assert (gradients - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("dtype", DTYPES)
def test_all_inputs_are_proven_and_labels_follow_them(dtype):
    made = make_problem(6, m=80, dtype=dtype)
    order = torch.tensor([3, 1, 0, 5, 4, 2])
    labels = torch.eye(6, dtype=torch.float64)[order]
    inputs = made.truth.inputs.double()[order]
    found = judged(made.observation, inputs, Budget(), labels=labels)
    assert found.status is Status.EXACT
    nearest = torch.cdist(found.inputs, made.truth.inputs.double()).argmin(dim=1)
    assert sorted(nearest.tolist()) == list(range(6))
    assert found.labels is not None
    assert found.labels.argmax(dim=1).tolist() == nearest.tolist()


def test_missing_inputs_are_rows_of_zeros_at_the_end():
    made = make_problem(6, m=80)
    given = made.truth.inputs[:4]
    labels = torch.eye(4, dtype=torch.float64)
    found = judged(made.observation, given, Budget(), labels=labels, details={"peeled": 4.0})
    assert (found.status, found.n_directions, found.missing) == (Status.PARTIAL, 4, 2)
    assert torch.equal(found.inputs[:4], given)
    assert not found.inputs[4:].any()
    assert found.labels is not None
    assert found.labels.shape == (6, 4)
    assert not found.labels[4:].any()
    expected = made.truth.activation_gradients
    assert torch.allclose(found.activation_gradients[:, :4], expected[:, :4], atol=1e-9)
    assert not found.activation_gradients[:, 4:].any()
    assert found.details == {"peeled": 4.0}


@pytest.mark.parametrize("seed", range(8))
def test_one_wrong_input_is_put_right_or_not_exact(seed):
    """A mixture of two, one twice, one at another scale, one moved a little."""
    made = make_problem(6, m=80, seed=seed)
    true = made.truth.inputs
    for wrong in (
        (true[0] + true[1]) / 2,
        true[1],
        1.5 * true[0],
        true[0] + 0.05 * torch.randn(60, generator=torch.Generator().manual_seed(seed)),
    ):
        found = judged(made.observation, torch.cat([wrong[None], true[1:]]), Budget())
        if found.status is Status.EXACT:  # the refit to its zeros put it right
            nearest = torch.cdist(found.inputs, true).amin(dim=0)
            assert nearest.max() < 1e-9
        else:
            assert found.status in (Status.ESTIMATED, Status.PARTIAL)


def test_none_and_too_many():
    made = make_problem(4, m=80)
    none = judged(made.observation, made.truth.inputs[:0], Budget(), otherwise=Status.TIMED_OUT)
    assert (none.status, none.n_directions, none.batch_size) == (Status.TIMED_OUT, 0, 4)
    assert not none.inputs.any()
    more = torch.cat([made.truth.inputs, made.truth.inputs[:1] * 2])
    assert judged(made.observation, more, Budget()).batch_size == 4


def test_a_single_input_needs_none_to_be_given():
    made = make_problem(1)
    found = judged(made.observation, made.truth.inputs[:0], Budget())
    assert found.status is Status.EXACT
    assert factorized(made.observation).b == 1


def test_a_single_input_keeps_its_label():
    made = make_problem(1)
    labels = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    found = judged(made.observation, made.truth.inputs, Budget(), labels=labels)
    assert found.status is Status.EXACT
    assert found.labels is not None
    assert torch.equal(found.labels, labels)
