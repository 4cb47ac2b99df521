"""Neuron exclusivity: the ratio of gradient rows is the input that alone activates a neuron."""

import pytest
import torch
from support.patterns import update_of_pattern
from support.problems import make_problem
from support.scored import Pictures

from spear.baselines.neuron_exclusivity import NeuronExclusivity, exclusive_inputs, ratios
from spear.domain import Domain
from spear.errors import ConfigError, LayerError
from spear.experiments.record.records import BatchRecord
from spear.networks import fcnn
from spear.observation import Observation
from spear.reconstruction import Status
from spear.scoring import Scorer, Truth
from spear.update import Update

N = 7

EXCLUSIVE = torch.tensor(
    [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1], [0, 0, 0]]
).bool()
"""The first two inputs have two neurons each to themselves, the third has one."""


def test_the_ratio_of_a_neuron_with_one_input_is_that_input():
    update = update_of_pattern(EXCLUSIVE, N)
    inputs, observation = update.inputs, update.observation
    rows, neurons = ratios(observation)
    assert neurons.tolist() == [0, 1, 2, 3, 4, 5, 6]
    for row, owner in zip(rows[:5], (0, 0, 1, 1, 2), strict=True):
        assert torch.allclose(row, inputs[owner], rtol=1e-12)
    assert torch.cdist(rows[5:], inputs).min() > 0.1


def test_inputs_with_two_neurons_are_found_and_others_are_not():
    update = update_of_pattern(EXCLUSIVE, N)
    inputs, observation = update.inputs, update.observation
    found = exclusive_inputs(observation)
    assert torch.cdist(found, inputs).amin(dim=1).max() < 1e-12
    assert sorted(torch.cdist(found, inputs).argmin(dim=1).tolist()) == [0, 1]
    assert len(exclusive_inputs(observation, agreeing=3)) == 0


def test_with_one_neuron_each_ratio_whose_own_neuron_fires_counts():
    update = update_of_pattern(EXCLUSIVE, N)
    inputs, observation = update.inputs, update.observation
    found = exclusive_inputs(observation, agreeing=1)
    assert (torch.cdist(inputs, found).amin(dim=1) < 1e-12).all()


def test_missing_inputs_are_rows_of_zeros_and_the_result_is_partial():
    update = update_of_pattern(EXCLUSIVE, N)
    inputs, observation = update.inputs, update.observation
    found = NeuronExclusivity(rank=3)(observation)
    assert (found.status, found.n_directions, found.batch_size) == (Status.PARTIAL, 2, 3)
    assert torch.cdist(found.inputs[:2], inputs).amin(dim=1).max() < 1e-12
    assert not found.inputs[2].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_in_which_each_input_has_its_neurons_is_exact(dtype):
    problem = make_problem(5, m=400, depth=2, dtype=dtype)
    found = NeuronExclusivity()(problem.observation)
    assert found.status is Status.EXACT
    true = problem.truth.inputs.double()
    assert torch.cdist(found.inputs, true).amin(dim=1).max() < 1e-4
    silent = problem.truth.activation_gradients.abs() < 1e-12
    assert bool((silent.sum(dim=1) == 4).any())  # as the claim rests on


def test_ratios_that_agree_by_two_classes_are_not_taken_for_proof():
    """With one logit difference the columns of dL/dZ are parallel where two inputs are active."""
    update = update_of_pattern(torch.tensor([[1, 1], [1, 1], [1, 0], [0, 1]]).bool(), N)
    inputs, observation = update.inputs, update.observation
    gradients = torch.tensor([[1.0, 2.0], [2.0, 4.0], [1.0, 0.0], [0.0, 1.0]]).double()
    mixed = Observation(
        observation.weight, observation.bias, gradients @ inputs, gradients.sum(dim=1)
    )
    wrong = exclusive_inputs(mixed)
    assert len(wrong) == 1
    assert torch.cdist(wrong, inputs).min() > 0.1
    assert NeuronExclusivity(rank=2)(mixed).status is Status.PARTIAL


def test_what_it_cannot_attack_is_refused():
    with pytest.raises(ConfigError, match=r"^agreeing is 0; expected at least 1"):
        NeuronExclusivity(agreeing=0)
    with pytest.raises(ConfigError, match=r"^tolerance is -1; expected a finite number of 0 or mo"):
        NeuronExclusivity(tolerance=-1)
    network = fcnn((4,), 3, width=5, depth=2, activation="gelu")
    with pytest.raises(LayerError, match="no ReLU follows"):
        NeuronExclusivity().check(network, Domain.unbounded((4,)))
    unbiased = fcnn((4,), 3, width=5, depth=2, bias=False)
    update = Update(
        unbiased,
        {name: torch.ones_like(each) for name, each in unbiased.named_parameters()},
        torch.nn.CrossEntropyLoss(),
        Domain.unbounded((4,)),
    )
    with pytest.raises(LayerError, match="has no bias"):
        NeuronExclusivity().observe(update)


FULL = torch.tensor(
    [[1, 0, 0, 1], [1, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]]
).bool()
"""Four inputs of four numbers: the gradient is of full rank, and none is alone anywhere."""


@pytest.mark.parametrize(("alone", "found"), [(0, 0), (2, 1)])
def test_a_gradient_of_full_rank_is_scored_whatever_is_found(alone, found):
    pattern = FULL.clone()
    pattern[:alone, 3] = False
    update = update_of_pattern(pattern, 4)
    given = NeuronExclusivity()(update.observation)
    assert given.status is (Status.PARTIAL if found else Status.FULL_RANK)
    assert given.details == {"exclusive": found}
    shared = update.gradients @ update.inputs
    true = Truth(update.inputs, update.gradients, torch.zeros(4), shared)
    score = Scorer(Pictures((1, 2, 2), normalize=False))(given, true)
    assert (score["exact"], score["directions_right"]) == (False, found)
    told = BatchRecord.of(0, true, given, score).failure
    expected = "1 inputs were found, but the batch has 4: " if found else given.status.message
    assert told.startswith(expected)


def test_a_gradient_of_zeros_is_named():
    observation = update_of_pattern(EXCLUSIVE, N).observation
    nothing = Observation(
        observation.weight,
        observation.bias,
        torch.zeros_like(observation.weight),
        torch.zeros_like(observation.bias),
    )
    assert NeuronExclusivity()(nothing).status is Status.ZERO_GRADIENT
