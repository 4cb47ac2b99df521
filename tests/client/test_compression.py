"""Compressions of an update: closed forms, the noise that they imply, and what attacks find."""

import math

import pytest
import torch
from torch import Tensor, nn

from spear.client import Client, FedAvg, WeightedMean
from spear.client.defenses import (
    Compression,
    Quantization,
    RandomSparsification,
    Signs,
    Sparsification,
    StochasticQuantization,
    TopK,
    UnbiasedCompression,
)
from spear.data import Batch, JointBatch
from spear.errors import ConfigError, InvalidObservation
from spear.inversion import SpearIrls, SpearPruned
from spear.inversion.factors.factorization import decompose
from spear.inversion.factors.signs import check_no_signs
from spear.networks import fcnn
from spear.reconstruction import Reconstruction, Status

N, B, M, WEIGHT = 600, 4, 100, "1.weight"
UNBIASED = [StochasticQuantization(), StochasticQuantization(7), RandomSparsification(0.3)]
EVERY = [*UNBIASED, Quantization(), Signs(), TopK(0.5)]


def batch(b: int = B) -> Batch:
    generator = torch.Generator().manual_seed(3)
    return Batch(torch.randn(b, N, generator=generator), torch.arange(b) % 10)


def network() -> nn.Module:
    return fcnn((N,), 10, width=M, depth=3)


def shared(defense: Compression | None, seed: int = 0) -> Client:
    return Client(network(), defense=defense)


def update(defense: Compression | None, seed: int = 0) -> dict[str, Tensor]:
    return shared(defense).share(batch(), torch.Generator().manual_seed(seed)).gradients


def entries(seed: int = 0) -> Tensor:
    return torch.randn(40, 50, generator=torch.Generator().manual_seed(seed))


def nearest(found: Reconstruction) -> Tensor:
    """Distance of each input to the nearest one found, as a share of its length."""
    inputs = batch().inputs.double()
    return torch.cdist(inputs, found.inputs.double()).min(dim=1).values / inputs.norm(dim=1)


def attacked(attack, defense: Compression) -> Reconstruction:
    client = shared(defense)
    return attack(attack.observe(client.share(batch(), torch.Generator().manual_seed(0))))


# Closed forms.


def test_int8_sends_whole_multiples_of_a_step_and_errs_by_half_of_one():
    value = entries()
    sent = Quantization().compress({"w": value}, None)["w"]
    step = value.abs().max().double() / 127
    steps = sent.double() / step
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-4)
    assert steps.abs().max() == pytest.approx(127)
    assert len(steps.round().unique()) > 100
    error = (sent - value).double() / step
    assert error.abs().max() < 0.5 + 1e-4
    assert float(error.square().mean().sqrt()) == pytest.approx(1 / math.sqrt(12), rel=0.05)


def test_int8_of_a_gradient_of_few_large_entries_is_pruning():
    value = torch.full((10, 10), 1e-3)
    value[0, 0] = 1.0
    sent = Quantization().compress({"w": value}, None)["w"]
    assert int((sent != 0).sum()) == 1


def test_signs_have_the_mean_magnitude_of_each_parameter():
    value = {"a": entries(), "b": 10 * entries(1)}
    sent = Signs().compress(value, None)
    for name, each in value.items():
        assert torch.equal(sent[name].sign(), each.sign())
        torch.testing.assert_close(sent[name].abs().mean(), each.abs().mean())
        assert len(sent[name].abs().unique()) == 1


def test_top_k_keeps_the_largest_of_all_parameters_together():
    value = {"a": entries(), "b": 1e-3 * entries(1)}
    sent = TopK(0.75).compress(value, None)
    assert int(sum((each != 0).sum() for each in sent.values())) == 1000
    assert not bool(sent["b"].any())
    kept = sent["a"] != 0
    assert torch.equal(sent["a"][kept], value["a"][kept])
    assert value["a"][kept].abs().min() >= value["a"][~kept].abs().max()
    alone = TopK(0.75).compress({"a": value["a"]}, None)["a"]
    assert torch.equal(alone, Sparsification(0.75)._pruned(value["a"]))


def test_random_sparsification_leaves_its_share_of_entries_scaled_up():
    value, share = torch.randn(300, 300, generator=torch.Generator().manual_seed(0)), 0.8
    sent = RandomSparsification(share).sent(value, torch.Generator().manual_seed(1))
    left = sent != 0
    assert abs(float(left.double().mean()) - 0.2) < 4 * math.sqrt(0.16 / value.numel())
    torch.testing.assert_close(sent[left], value[left] * 5)


@pytest.mark.parametrize("defense", EVERY, ids=lambda each: type(each).__name__)
def test_zeros_stay_and_the_same_seed_sends_the_same(defense):
    zeros = {"w": torch.zeros(3, 4), "empty": torch.zeros(0, 4)}
    sent = defense.compress(zeros, torch.Generator().manual_seed(0))
    assert not bool(sent["w"].any())
    assert sent["empty"].shape == (0, 4)
    first, second = update(defense), update(defense)
    for name, value in update(None).items():
        assert torch.equal(first[name], second[name])
        assert first[name].dtype == value.dtype
        assert not bool(first[name][value == 0].any())


# The noise of unbiased ones.


@pytest.mark.parametrize("defense", UNBIASED, ids=lambda each: type(each).__name__)
def test_the_mean_is_the_update_and_each_entry_has_the_deviation_derived(defense):
    value, draws = entries().double(), 4000
    generator = torch.Generator().manual_seed(0)
    errors = torch.stack([defense.sent(value, generator) - value for _ in range(draws)])
    deviation = defense.deviation(value)
    assert (errors.mean(dim=0).abs() <= 5 * deviation / math.sqrt(draws) + 1e-12).all()
    squares = errors.square().mean(dim=0)
    assert float(squares.sum() / deviation.square().sum()) == pytest.approx(1, rel=0.005)
    large = deviation > 0.3 * deviation.max()  # of those, rare errors are not seen too seldom
    assert large.sum() > 400
    assert (squares[large] / deviation[large].square() - 1).abs().max() < 0.35


@pytest.mark.parametrize("defense", UNBIASED, ids=lambda each: type(each).__name__)
def test_the_server_estimates_the_deviation_from_what_was_sent(defense: UnbiasedCompression):
    value = torch.randn(400, 400, generator=torch.Generator().manual_seed(2)).double()
    sent = defense.sent(value, torch.Generator().manual_seed(0))
    empirical = float((sent - value).square().mean().sqrt())
    assert defense.implied(sent) == pytest.approx(empirical, rel=0.02)


def test_the_attack_measures_the_deviation_that_int8_implies():
    defense = StochasticQuantization()
    plain, sent = update(None)[WEIGHT], update(defense)[WEIGHT]
    active = plain.ne(0).any(dim=1)
    empirical = float((sent - plain)[active].double().square().mean().sqrt())
    measured = float(decompose(sent).noise.rows.square().mean().sqrt()) / active.sum() ** 0.5
    assert measured == pytest.approx(empirical, rel=0.05)
    assert defense.implied(sent) == pytest.approx(empirical, rel=0.1)


# What attacks find.


@pytest.mark.parametrize("defense", [Quantization(), StochasticQuantization()])
def test_int8_leaves_every_input_within_the_noise(defense):
    found = attacked(SpearIrls(), defense)
    assert found.status is Status.APPROXIMATE
    assert found.batch_size == B
    assert nearest(found).max() < 0.05
    coarse = attacked(SpearIrls(rank=B), type(defense)(31))
    assert 2 < nearest(coarse).mean() / nearest(found).mean() < 8  # the step is 4 times as large


def test_random_sparsification_is_undone_exactly_and_hides_the_rank_without():
    assert attacked(SpearIrls(), RandomSparsification(0.5)).status is Status.FULL_RANK
    found = attacked(SpearPruned(), RandomSparsification(0.5))
    assert found.status is Status.EXACT
    assert nearest(found).max() < 1e-5


def test_top_k_is_undone():
    found = attacked(SpearPruned(), TopK(0.5))
    assert found.status in (Status.EXACT, Status.ESTIMATED)
    assert nearest(found).max() < 1e-2


def test_signs_are_refused_unless_the_batch_size_is_known():
    with pytest.raises(InvalidObservation, match=r"^every entry of weight_gradient is 0 or .* in "):
        attacked(SpearIrls(), Signs())
    found = attacked(SpearIrls(rank=B), Signs())
    assert found.status is not Status.EXACT
    assert 0.05 < nearest(found).max() < 0.6


def test_equal_magnitudes_before_two_classes_are_no_signs():
    """One binary input: dL/dW has rows of equal magnitude, and is that of one input."""
    gradient = torch.outer(torch.tensor([0.5, -0.5]), torch.tensor([1.0, 0.0, 1.0, 1.0]))
    check_no_signs(gradient)
    assert decompose(gradient).b == 1
    with pytest.raises(InvalidObservation, match="these are signs"):
        check_no_signs(torch.ones(3, 3))
    check_no_signs(torch.zeros(3, 3))


# Whose update is compressed.


def test_the_sum_of_local_steps_is_compressed_once():
    own, training = batch(), FedAvg(3, 0.01)
    plain = Client(network(), training).share(own).gradients
    sent = Client(network(), training, TopK(0.9)).share(own).gradients
    for name, value in TopK(0.9).compress(plain, None).items():
        assert torch.equal(sent[name], value)


def test_each_client_compresses_its_own_update():
    own = batch()
    halves = {0: Batch(own.inputs[:2], own.labels[:2]), 1: Batch(own.inputs[2:], own.labels[2:])}
    client = shared(Quantization())
    mean = WeightedMean(2).share(client, JointBatch.of(halves), None).gradients
    each = [client.share(half).gradients for half in halves.values()]
    for name, value in mean.items():
        torch.testing.assert_close(value, (each[0][name] + each[1][name]) / 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quantization(0), r"^levels is 0; expected at least 1\.$"),
        (lambda: StochasticQuantization(0), r"^levels is 0; expected at least 1\.$"),
        (lambda: RandomSparsification(1.0), r"^share is 1\.0; expected a share from 0 to below 1"),
        (lambda: TopK(-0.1), r"^share is -0\.1; expected a share"),
    ],
)
def test_numbers_without_a_meaning_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
