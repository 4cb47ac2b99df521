"""Clients behind an aggregate: whose inputs were recovered."""

import math

import pytest
import torch

from spear.client import Client, WeightedMean
from spear.data import Digits, JointBatch
from spear.errors import ConfigError
from spear.networks import fcnn
from spear.reconstruction import Reconstruction
from spear.scoring import Scorer, truth_of
from spear.scoring.clients import Clients, recovered_by_client
from spear.scoring.scorer import STANDARD, metrics_of


def matched(kept: list[int], layer: int | None = 1, sizes: tuple[int, ...] = (2, 1, 3)):
    """What a scorer compares if of three clients' six digits those in `kept` are found."""
    digits = Digits()
    generator = torch.Generator().manual_seed(0)
    whole = digits.batch(sum(sizes), generator)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    own = {
        5 * i: digits.collected(range(start, start + n))
        for i, (start, n) in enumerate(zip(starts, sizes, strict=True))
    }
    joint = JointBatch.of(own)
    assert len(whole.labels) == len(joint.labels)
    client = Client(fcnn((1, 8, 8), 10, width=30, depth=3), domain=digits.domain)
    update = WeightedMean(3).share(client, joint, None)
    truth = truth_of(client, joint, layer, update)
    found = Reconstruction.estimate(truth.inputs[kept], 0.0)
    return Scorer(digits, first_layer=layer in (None, 1)).beside(found, truth)


@pytest.mark.parametrize("layer", [1, None, 2])
def test_recovered_inputs_are_counted_by_client(layer):
    found = matched([0, 1, 4], layer)
    assert recovered_by_client(found) == {
        "recovered_of_client_0": 2.0, "recovered_of_client_5": 0.0, "recovered_of_client_10": 1.0,
    }  # fmt: skip
    assert Clients()(found) == {"clients_present": 3.0, "clients_hit": 2.0, "clients_whole": 1.0}


def test_the_truth_is_the_union_of_all_batches_in_order():
    found = matched([])
    assert found.truth.owners.tolist() == [0, 0, 5, 10, 10, 10]
    assert len(found.truth.inputs) == 6
    assert set(recovered_by_client(found).values()) == {0.0}


def test_one_clients_batch_has_no_owners():
    digits = Digits()
    client = Client(fcnn((1, 8, 8), 10, width=30, depth=3), domain=digits.domain)
    batch = digits.batch(2, torch.Generator().manual_seed(0))
    truth = truth_of(client, batch, 1)
    found = Scorer(digits).beside(Reconstruction.estimate(truth.inputs, 0.0), truth)
    assert recovered_by_client(found) == {}
    assert all(map(math.isnan, Clients()(found).values()))


def test_jobs_of_several_clients_alone_have_the_metric():
    assert metrics_of(Digits()) == ()
    assert [type(each) for each in metrics_of(Digits(), 2)] == [Clients]
    with pytest.raises(ConfigError, match="has a number 'clients_present', which another metric"):
        Scorer(Digits(), [*STANDARD, Clients(), Clients()])


@pytest.mark.parametrize(("factor", "hit"), [(1.099, 2.0), (1.101, 0.0), (0.901, 2.0)])
def test_an_input_of_an_inner_layer_is_recovered_to_a_tenth(factor, hit):
    found = matched([0, 1, 4], 2)
    other = Reconstruction.estimate(factor * found.truth.inputs[[0, 1, 4]], 0.0)
    scaled = Scorer(Digits(), first_layer=False).beside(other, found.truth)
    assert Clients()(scaled)["clients_hit"] == hit


@pytest.mark.parametrize(("error", "hit"), [(0.0999, 2.0), (0.1001, 0.0)])
def test_a_picture_is_recovered_from_20_decibels(error, hit):
    found = matched([0, 1, 4])
    pixels = Digits().denormalized(found.truth.inputs[[0, 1, 4]])
    moved = torch.where(pixels > 0.5, pixels - error, pixels + error)
    other = Reconstruction.estimate(Digits().normalized(moved).flatten(1), 0.0)
    scaled = Scorer(Digits()).beside(other, found.truth)
    assert Clients()(scaled)["clients_hit"] == hit
