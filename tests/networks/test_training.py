"""Training before the attack: it learns, repeats itself, and refuses what cannot work."""

import math

import pytest
import torch
from support.command import Command
from torch import nn

from spear.data import Digits, Faces
from spear.errors import ConfigError
from spear.networks import fcnn, lenet, trained_fcnn, trained_lenet, training

SHAPE = Digits.input_shape
SMALL = {"width": 20, "depth": 3}


def trained(**settings) -> nn.Sequential:
    return trained_fcnn(SHAPE, 10, Digits("train"), **{**SMALL, "steps": 30, **settings})


def accuracy(network: nn.Module) -> float:
    test = Digits("test")
    batch = test.batch(len(test), torch.Generator())
    return float((network(batch.inputs).argmax(dim=1) == batch.labels).float().mean())


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_it_learns():
    assert accuracy(trained(steps=0)) < 0.3
    assert accuracy(trained(steps=300, learning_rate=0.1)) > 0.85


def test_it_starts_from_fcnn():
    assert same(trained(steps=0, seed=3), fcnn(SHAPE, 10, **SMALL, seed=3))


def test_other_activations_learn_too():
    start = trained(steps=0, seed=3, activation="gelu")
    assert same(start, fcnn(SHAPE, 10, **SMALL, seed=3))
    assert [type(each) for each in start[2::2]] == [nn.GELU] * 2
    assert accuracy(trained(steps=300, learning_rate=0.1, activation="gelu")) > 0.85


def test_convolutions_learn_from_where_lenet_starts():
    def accuracies(steps: int) -> float:
        return accuracy(trained_lenet(SHAPE, 10, Digits("train"), steps=steps))

    assert accuracies(0) < 0.3
    assert accuracies(150) > 0.6
    first = trained_lenet(SHAPE, 10, Digits("train"), seed=3, steps=0, bias=False)
    assert same(first, lenet(SHAPE, 10, "relu", None, bias=False, seed=3))


def test_one_step_is_a_step_of_sgd_on_a_mean_loss():
    dataset = Digits("train")
    whole = dataset.batch(len(dataset), torch.Generator())  # every order has the same mean
    network = fcnn(SHAPE, 10, **SMALL)
    nn.functional.cross_entropy(network(whole.inputs), whole.labels).backward()
    found = trained(steps=1, learning_rate=0.5, train_batch_size=len(dataset))
    for parameter, learnt in zip(network.parameters(), found.parameters(), strict=True):
        torch.testing.assert_close(learnt, parameter - 0.5 * parameter.grad)


def test_same_seed_same_network_whatever_was_drawn_before():
    first = trained()
    torch.rand(3)
    state = torch.get_rng_state()
    assert same(first, trained())
    assert torch.equal(torch.get_rng_state(), state)
    assert not same(first, trained(seed=1))
    assert all(parameter.grad is None for parameter in first.parameters())


def test_an_epoch_has_every_example_once():
    dataset = Digits("train")
    examples = dataset.batch(10, torch.Generator().manual_seed(0))
    batches = training._endless(examples, 5, torch.Generator().manual_seed(0))
    for _ in range(3):
        seen = torch.cat([next(batches).inputs, next(batches).inputs]).flatten(1)
        assert torch.equal(seen.sort(dim=0).values, examples.inputs.flatten(1).sort(dim=0).values)


def test_of_a_data_set_too_large_for_memory_a_part_is_used(monkeypatch, caplog):
    monkeypatch.setattr(training, "MOST_VALUES", 200 * math.prod(SHAPE))
    with caplog.at_level("INFO"):
        trained()
    assert "training on 200 examples of digits: step 30 of 30" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": -1}, "steps is -1; expected 0 or more"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; expected more than 0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"learning_rate": 1e30}, "the loss became .* choose a smaller one"),
        ({"train_batch_size": 0}, "train_batch_size is 0; expected at least 1"),
        ({"train_batch_size": 1001}, "only 1000 examples of digits to train on"),
        ({"dataset": Faces()}, r"faces\) has 10 classes and inputs of shape \(1, 25, 25\)"),
        ({"width": 0}, "width is 0"),
        ({"activation": "cubic"}, "activation is 'cubic'"),
    ],
)
def test_what_cannot_work_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        trained_fcnn(SHAPE, 10, **{"dataset": Digits("train"), **SMALL, "steps": 5, **settings})


@pytest.mark.parametrize(("dataset", "split"), [("digits", "split: train"), ("faces", None)])
def test_the_command_trains_on_the_train_split(dataset, split, tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    outcome = spear(
        f"dataset={dataset}", "network=trained", "network.steps=40", "batch_size=3", "n_batches=1",
        "dataset.normalize=false",
    )  # fmt: skip
    assert outcome.code == 0, outcome.error
    assert "step 40 of 40" in outcome.out
    written = next((tmp_path / "out").rglob("config.yaml")).read_text()
    network = written.split("network:")[1].split("defense:")[0]
    assert "normalize: false" in network
    assert split is None or split in network
