"""Rounds of training, and what several of them give away together."""

import pytest
import torch
from torch import nn

from spear.client import Client, FedAvg, Rounds, SingleClient, WeightedMean
from spear.data import Batch, JointBatch
from spear.errors import ConfigError
from spear.inversion import SpearIrls, united
from spear.networks import fcnn
from spear.reconstruction import Reconstruction, Status

ETA = 0.1


def network(dtype: torch.dtype = torch.float64, width: int = 30) -> nn.Module:
    return fcnn((12,), 3, width=width, depth=3).to(dtype)


def batches(clients: int = 3, b: int = 2, dtype: torch.dtype = torch.float64) -> JointBatch:
    generator = torch.Generator().manual_seed(0)
    return JointBatch.of(
        {
            i: Batch(torch.randn(b, 12, generator=generator).to(dtype), torch.arange(b) % 3)
            for i in range(clients)
        }
    )


def test_the_model_follows_sgd_on_the_joined_batch():
    """One gradient a round and client: the rounds are the steps of one SGD on all examples."""
    net, joint = network(), batches()
    updates = [*Rounds(WeightedMean(3), 4, ETA).share(Client(net), joint)]
    alone = network()
    optimizer = torch.optim.SGD(alone.parameters(), lr=ETA)
    for update in updates:
        for name, value in alone.named_parameters():
            torch.testing.assert_close(dict(update.network.named_parameters())[name], value)
        optimizer.zero_grad()
        nn.functional.cross_entropy(alone(joint.inputs), joint.labels).backward()
        for name, value in alone.named_parameters():
            torch.testing.assert_close(update.gradients[name], value.grad, rtol=1e-9, atol=1e-12)
        optimizer.step()
    before = network().state_dict()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_under_fedavg_the_model_becomes_the_mean_of_the_clients_models():
    net, joint = network(), batches()
    client = Client(net, FedAvg(2, ETA))
    _, second = Rounds(WeightedMean(3), 2, ETA).share(client, joint)
    after = {name: torch.zeros_like(value) for name, value in net.named_parameters()}
    for each in joint.of_clients().values():
        own = client.share(each).gradients
        for name, value in net.named_parameters():
            after[name] += (value.detach() - ETA * own[name]) / 3
    for name, value in second.network.named_parameters():
        torch.testing.assert_close(value.detach(), after[name])


def test_a_single_client_has_rounds_too():
    net, joint = network(), batches()
    batch = Batch(joint.inputs, joint.labels)
    first, second = Rounds(SingleClient(), 2, ETA).share(Client(net), batch)
    assert torch.equal(first.gradients["1.weight"], Client(net).share(batch).gradients["1.weight"])
    assert not torch.equal(first.gradients["1.weight"], second.gradients["1.weight"])


def test_over_rounds_those_who_do_not_always_take_part_are_read_all_the_same():
    """Two of six clients a round: each round is a small batch, and their union is everybody."""
    joint = batches(clients=6, dtype=torch.float32)
    rounds = Rounds(WeightedMean(2), 10, ETA, participation=1 / 3)
    updates = rounds.share(
        Client(network(torch.float32, 80)), joint, torch.Generator().manual_seed(0)
    )
    found = [SpearIrls()(update.observe(1)) for update in updates]
    assert [each.batch_size for each in found] == [4] * 10
    together = united(found)
    assert together.status is Status.EXACT
    assert together.batch_size == len(joint.labels) == 12
    distances = torch.cdist(joint.inputs.double(), together.inputs)
    assert (distances.min(dim=1).values < 1e-3).all()
    assert together.details["recurring"] == 0


def exactly(*rows: list[float], status: Status = Status.EXACT) -> Reconstruction:
    return Reconstruction.estimate(torch.tensor(rows), 1.0, status)


def test_rounds_are_united_without_repeats_in_the_order_found():
    first, second = exactly([1.0, 0.0], [0.0, 1.0]), exactly([1e-5, 1.0], [2.0, 2.0])
    found = united([first, second])
    torch.testing.assert_close(found.inputs, torch.tensor([[1.0, 0], [0, 1], [2, 2]]).double())
    assert found.status is Status.EXACT
    assert found.seconds == 2.0
    assert found.details == {"rounds": 2.0, "rounds_exact": 2.0, "recurring": 1.0}


def test_different_inputs_that_are_near_each_other_are_both_there():
    found = united([exactly([1.0, 0.0]), exactly([1.0, 0.0], [1.0, 0.005])])
    assert len(found.inputs) == 2


def test_an_input_of_zeros_is_one_input():
    found = united([exactly([0.0, 0.0], [1.0, 0.0]), exactly([0.0, 0.0])])
    assert len(found.inputs) == 2
    assert found.details["recurring"] == 1


@pytest.mark.parametrize("status", [Status.PARTIAL, Status.APPROXIMATE, Status.TIMED_OUT])
def test_a_round_that_is_not_exact_adds_nothing_and_costs_the_proof(status):
    found = united([exactly([1.0, 0.0]), exactly([0.0, 1.0], status=status)])
    assert found.inputs.tolist() == [[1.0, 0.0]]
    assert found.status is Status.PARTIAL
    assert found.details["rounds_exact"] == 1
    nothing = united([exactly([0.0, 1.0], status=status)])
    assert (nothing.batch_size, nothing.status) == (0, Status.PARTIAL)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rounds(SingleClient(), 0, ETA), r"^rounds is 0; expected at least 1\.$"),
        (lambda: Rounds(SingleClient(), 1, 0.0), r"^learning_rate is 0\.0; expected"),
        (lambda: Rounds(SingleClient(), 1, ETA, 0.0), r"^participation is 0\.0; expected the sh"),
        (lambda: united([]), r"^found is empty; expected the reconstruction of at least one"),
    ],
)
def test_numbers_without_a_meaning_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
