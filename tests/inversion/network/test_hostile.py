"""Altered updates of whole networks: the most telling kinds of `benchmarks.hostile_pairs`."""

import pytest
import torch
from torch import nn

from benchmarks.hostile_alterations import ALTERATIONS, Case, each, times
from benchmarks.hostile_pairs import COLUMNS, case_of, main, right_to_scale, verdicts, wrong
from spear.data import Batch
from spear.networks.activations import ACTIVATIONS

TELLING = (
    "biases times 1.01",
    "weights times 2",
    "dL/dc1 times 1.01, no last bias",
    "both bias gradients of the pair doubled",
    "G1 in float16",
    "one entry of G1 by 0.0001",
    "rank of G1 lowered",
    "two batches in the pair",
    "a trace of another batch in the pair",
    "last layer of another batch",
    "2 steps at rate 1e-05",
    "momentum at rate 1e-6",
    "stale by 1e-05",
    "gelu claimed as gelu_tanh",
    "leaky_relu claimed with 0.0101",
    "near duplicates of 0.0001",
)


def small(activation: str, biases: bool) -> Case:
    """Two hidden layers, three inputs."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Linear(48, 40), ACTIVATIONS[activation](), nn.Linear(40, 32),
            ACTIVATIONS[activation](), nn.Linear(32, 10),
        )  # fmt: skip
    for layer in network:
        if isinstance(layer, nn.Linear) and not biases:
            nn.init.zeros_(layer.bias)
    inputs = torch.randn(2, 3, 48, generator=generator)
    labels = torch.tensor([1, 4, 4])
    return Case(network, Batch(inputs[0], labels), Batch(inputs[1], labels.flip(0)), generator)


@pytest.mark.parametrize("activation", ["relu", "gelu", "prelu", "tanh"])
@pytest.mark.parametrize("kind", TELLING)
@pytest.mark.few(24)
def test_no_wrong_exact(kind, activation):
    case = small(activation, biases=kind != "weights times 2")
    for layer in (1, 3):
        said = list(verdicts(case, ALTERATIONS[kind](case), layer, seconds=0.3))
        assert [each.text for each in said if each.word == "FALSE"] == []
        assert {each.word for each in said} <= set(COLUMNS)


@pytest.mark.parametrize("activation", ["relu", "prelu"])
def test_a_scale_of_all_biases_is_told_as_open(activation):
    case = small(activation, biases=False)
    said = list(verdicts(case, each(times(2.0), "bias")(case), 1, seconds=2.0))
    assert {each.word for each in said if each.by != "unbiased"} == {"to scale"}


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_an_honest_update_is_exact(activation):
    case = small(activation, biases=True)
    said = list(verdicts(case, ALTERATIONS["none"](case), 2, seconds=2.0))
    smooth = activation == "gelu"  # the shape of a ReLU does not tell a length
    assert {each.word for each in said if smooth or each.by != "unbiased"} == {"exact"}
    assert {each.by for each in said} >= {"pair", "network", "unbiased", "proof"}


def test_what_is_wrong_is_seen():
    true = torch.eye(3, dtype=torch.float64)
    assert wrong(true, true) == ""
    assert wrong(1.01 * true, true) == "error 0.01"
    assert wrong(true[:2], true) == "1 of 3 inputs missing"
    assert right_to_scale(-2 * true, true)
    assert not right_to_scale(true + torch.diag(torch.tensor([0.1, 0, 0])), true)


def test_the_same_seed_is_the_same_case():
    first, second = case_of(7), case_of(7)
    assert first[0] == second[0]
    assert torch.equal(first[1].batch.inputs, second[1].batch.inputs)


def test_a_table_is_printed(capsys):
    main(["--each", "1", "--kind", "all scaled", "--seconds", "0.5"])
    said = capsys.readouterr().out
    assert "| all scaled | " in said
    assert "0 false exact" in said
