"""Several clients: the mean of their updates against the gradient of one joined batch."""

import pytest
import torch
from torch import Tensor, nn

from spear.client import (
    Client,
    FedAvg,
    SecureSum,
    SeveralClients,
    SingleClient,
    WeightedMean,
)
from spear.client.defenses import DPSGD, Clipping
from spear.client.mean import taking_part
from spear.data import Batch, Digits, JointBatch, SingleClassBatches
from spear.errors import ConfigError, DatasetError
from spear.networks import fcnn

SIZES = {0: 3, 4: 5, 7: 1}
"""Examples of three clients."""
ETA = 0.05


def network(dtype: torch.dtype = torch.float64) -> nn.Module:
    return fcnn((12,), 3, width=30, depth=3).to(dtype)


def batches(dtype: torch.dtype = torch.float64) -> JointBatch:
    generator = torch.Generator().manual_seed(0)
    return JointBatch.of(
        {
            owner: Batch(
                torch.randn(n, 12, generator=generator).to(dtype),
                torch.randint(3, (n,), generator=generator),
            )
            for owner, n in SIZES.items()
        }
    )


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor], rtol: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=rtol, atol=rtol * 1e-2)


# Theorems.


def test_the_sum_of_the_clients_gradients_is_the_gradient_of_the_joined_batch():
    """The loss is a mean, so that n_i times a client's gradient is a sum over its examples."""
    net, joint = network(), batches()
    own = joint.of_clients()
    shared = {i: Client(net).share(each).gradients for i, each in own.items()}
    whole = Client(net, loss=nn.CrossEntropyLoss(reduction="sum")).share(joint).gradients
    for name, value in whole.items():
        total = sum(SIZES[i] * each[name] for i, each in shared.items())
        torch.testing.assert_close(total, value, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-11), (torch.float32, 2e-4)])
def test_what_the_server_sees_of_a_mean_is_what_one_client_with_all_batches_shares(dtype, rtol):
    client, joint = Client(network(dtype)), batches(dtype)
    seen = WeightedMean(3).share(client, joint, None)
    alone = client.share(joint)
    assert_same(seen.gradients, alone.gradients, rtol)
    assert_same(vars(seen.observe(1)), vars(alone.observe(1)), rtol)
    assert seen.network is client.network
    assert seen.labels is None


def test_after_local_steps_the_servers_step_is_the_mean_of_the_clients_weights():
    """FedAvg: W - eta u, with u what the server sees, is the sum of (n_i/n) W_i."""
    net, joint = network(), batches()
    client = Client(net, FedAvg(3, ETA))
    seen = WeightedMean(3).share(client, joint, None).gradients
    after = {name: torch.zeros_like(value) for name, value in net.named_parameters()}
    for i, each in joint.of_clients().items():
        local = fcnn((12,), 3, width=30, depth=3).double()
        optimizer = torch.optim.SGD(local.parameters(), lr=ETA)
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(local(each.inputs), each.labels).backward()
            optimizer.step()
        for name, value in local.named_parameters():
            after[name] += SIZES[i] / sum(SIZES.values()) * value.detach()
    moved = {name: value.detach() - ETA * seen[name] for name, value in net.named_parameters()}
    assert_same(moved, after, 1e-11)


def test_dpsgd_at_each_client_without_noise_is_dpsgd_on_the_joined_batch():
    """It clips each example by itself, wherever the example is."""
    client, joint = Client(network(), defense=DPSGD(0.1, 0.0)), batches()
    seen = WeightedMean(3).share(client, joint, None).gradients
    assert_same(seen, client.share(joint).gradients, 1e-11)


def test_each_client_defends_by_itself():
    """Each clips its own gradient to C; the mean of several directions is shorter than C."""
    client, joint = Client(network(), defense=Clipping(0.01)), batches()
    seen = WeightedMean(3).share(client, joint, None).gradients
    norm = torch.cat([value.flatten() for value in seen.values()]).norm()
    assert 0 < norm < 0.01 * (1 - 1e-3)


def test_the_noise_of_the_clients_averages_out():
    net = network()
    one = Batch(torch.zeros(1, 12, dtype=torch.float64), torch.zeros(1, dtype=torch.int64))
    joint = JointBatch.of(dict.fromkeys(range(16), one))
    client = Client(net, defense=DPSGD(1.0, 0.1))
    generator = torch.Generator().manual_seed(0)
    noisy = WeightedMean(16).share(client, joint, generator).gradients["1.weight"]
    assert noisy.std().item() == pytest.approx(0.1 / 4, rel=0.15)  # the input is 0: noise alone


# Secure aggregation in whole numbers.


def test_rounding_moves_an_entry_by_less_than_a_step_and_keeps_zeros():
    client, joint = Client(network()), batches()
    exact = WeightedMean(3).share(client, joint, None).gradients
    secure = SecureSum(3, bound=1.0, levels=2000)
    seen = secure.share(client, joint, torch.Generator().manual_seed(0)).gradients
    for name, value in seen.items():
        assert (value - exact[name]).abs().max() < secure.step
        assert (value[exact[name] == 0] == 0).all()
    errors = torch.cat([(seen[name] - exact[name]).flatten() for name in seen])
    assert errors.abs().max() > 0.1 * secure.step


def test_rounding_keeps_the_mean_and_adds_at_most_half_a_step_of_noise():
    secure = SecureSum(1, bound=1.0, levels=20)  # a step of 0.1
    value = torch.full((20000,), 0.025, dtype=torch.float64)
    rounded = secure.aggregate([value], [1], torch.Generator().manual_seed(0))
    assert sorted(rounded.unique().tolist()) == pytest.approx([0.0, 0.1])
    assert rounded.mean().item() == pytest.approx(0.025, abs=1e-3)
    assert rounded.std().item() == pytest.approx(0.1 * (0.25 * 0.75) ** 0.5, rel=0.02)


def test_larger_entries_are_clipped():
    secure = SecureSum(2, bound=0.5, levels=10)
    found = secure.aggregate([torch.tensor([7.0, -7.0]), torch.tensor([7.0, 7.0])], [1, 1], None)
    assert found.tolist() == pytest.approx([0.5, 0.0])


# Who takes part, and with which examples.


def rows(joint: Batch) -> set[tuple[float, ...]]:
    return {tuple(each) for each in joint.inputs.flatten(1).tolist()}


def drawn(aggregation: SeveralClients, seed: int = 0, size: int = 4) -> JointBatch:
    generator = torch.Generator().manual_seed(seed)
    return aggregation.draw(lambda own: own.batch(size, generator), Digits(), generator)


def test_no_two_clients_have_an_example_in_common():
    """At 40 clients, each of which uses all of its share, nearly all digits are drawn."""
    digits = Digits()
    size = len(digits) // 40
    joint = drawn(WeightedMean(40), size=size)
    assert joint.owners.tolist() == [i for i in range(40) for _ in range(size)]
    everything = rows(digits.collected(range(len(digits))))
    copies = len(digits) - len(everything)
    assert len(rows(joint)) >= 40 * size - copies
    assert rows(joint) <= everything


def test_the_same_seed_gives_the_same_round_and_another_another():
    aggregation = WeightedMean(10, 0.3)
    first, again, other = (drawn(aggregation, seed) for seed in (0, 0, 1))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.owners, again.owners)
    assert not torch.equal(first.inputs, other.inputs)


def test_a_share_of_the_clients_takes_part_each_as_often():
    aggregation = WeightedMean(10, 0.3)
    assert aggregation.clients == 3
    counts = torch.zeros(10)
    for seed in range(100):
        present = drawn(aggregation, seed, 1).owners
        assert len(present.unique()) == 3
        counts[present] += 1
    assert counts.sum() == 300
    assert counts.min() > 12  # 30 on average, with a deviation of 4.6
    assert counts.max() < 48


@pytest.mark.parametrize(
    ("clients", "share", "expected"), [(10, 0.7, 7), (10, 0.01, 1), (3, 0.5, 2), (1, 1.0, 1)]
)
def test_the_number_of_those_that_take_part_is_rounded(clients, share, expected):
    assert taking_part(clients, share) == expected


def test_each_client_may_have_a_class_of_its_own():
    generator = torch.Generator().manual_seed(0)

    def one(own):
        return SingleClassBatches()(own, 5, generator)

    joint = WeightedMean(6).draw(one, Digits(), generator)
    classes = [each.labels.unique() for each in joint.of_clients().values()]
    assert all(len(each) == 1 for each in classes)
    assert len(torch.cat(classes).unique()) > 1


def test_a_single_client_draws_and_shares_as_before():
    digits, client = Digits(), Client(fcnn((1, 8, 8), 10, width=20, depth=3))
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    batch = SingleClient().draw(lambda own: own.batch(4, generators[0]), digits, generators[0])
    assert torch.equal(batch.inputs, digits.batch(4, generators[1]).inputs)
    seen = SingleClient().share(client, batch, None).gradients
    alone = client.share(batch).gradients
    assert all(torch.equal(value, alone[name]) for name, value in seen.items())


@pytest.mark.parametrize("kind", [WeightedMean, SecureSum])
def test_clients_may_have_unequal_batches(kind):
    """Each keeps the first of its batch; the same examples as without, but fewer."""
    whole, some = drawn(kind(3), size=5), drawn(kind(3, examples=[1, 5, 2]), size=5)
    assert some.owners.tolist() == [0, 1, 1, 1, 1, 1, 2, 2]
    for owner, batch in some.of_clients().items():
        assert torch.equal(batch.inputs, whole.of_clients()[owner].inputs[: len(batch.labels)])


def test_those_of_a_round_have_them_in_the_order_of_their_numbers():
    joint = drawn(WeightedMean(10, 0.3, [1, 2, 3]))
    assert torch.unique(joint.owners, return_counts=True)[1].tolist() == [1, 2, 3]


def test_unequal_updates_are_weighted_by_examples():
    """(1 u_1 + 5 u_2 + 2 u_3) / 8, and not their plain mean."""
    aggregation, net = WeightedMean(3, examples=[1, 5, 2]), fcnn((1, 8, 8), 10, width=20, depth=3)
    client, joint = Client(net), drawn(WeightedMean(3, examples=[1, 5, 2]), size=5)
    seen = aggregation.share(client, joint, None).gradients
    own = [client.share(each).gradients for each in joint.of_clients().values()]
    for name, value in seen.items():
        first, second, third = (each[name] for each in own)
        torch.testing.assert_close(value, (first + 5 * second + 2 * third) / 8)
    plain = sum(each["1.weight"] for each in own) / 3
    assert (seen["1.weight"] - plain).norm() > 0.1 * plain.norm()


# Joint batches.


def test_a_joint_batch_gives_back_the_batch_of_each_client():
    own = {
        3: Batch(torch.ones(2, 4), torch.tensor([0, 1])),
        1: Batch(torch.zeros(1, 4), torch.ones(1)),
    }
    joint = JointBatch.of(own)
    assert joint.owners.tolist() == [3, 3, 1]
    assert [*joint.of_clients()] == [1, 3]
    for owner, batch in joint.of_clients().items():
        assert torch.equal(batch.inputs, own[owner].inputs)
        assert torch.equal(batch.labels, own[owner].labels.to(batch.labels))
    assert torch.equal(joint.to("cpu").owners, joint.owners)


# What is refused.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WeightedMean(0), r"^clients is 0; expected at least 1\.$"),
        (lambda: WeightedMean(2, 0.0), r"^participation is 0\.0; expected the share of the "),
        (
            lambda: WeightedMean(2, examples=[1]),
            r"^examples is \[1\]; expected the number of .* 2 ",
        ),
        (
            lambda: WeightedMean(2, examples=[1, 0]),
            r"^examples is \[1, 0\]; expected .* at least 1",
        ),
        (lambda: drawn(WeightedMean(2, examples=[1, 9])), r"^examples has 9, but a .* 4 examples"),
        (lambda: WeightedMean(2, 1.1), r"^participation is 1\.1; expected the share"),
        (lambda: WeightedMean(2, float("nan")), r"^participation is nan; expected the share"),
        (lambda: SecureSum(2, bound=0.0), r"^bound is 0\.0; expected a finite number above 0"),
        (lambda: SecureSum(2, bound=float("inf")), r"^bound is inf; expected a finite number"),
        (lambda: SecureSum(2, levels=1), r"^levels is 1; expected at least 2\.$"),
        (lambda: JointBatch.of({}), r"^batches is empty; expected the batch of at least one"),
    ],
)
def test_numbers_without_a_meaning_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_batch_of_unknown_owners_is_refused():
    plain = Batch(torch.ones(2, 12), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ConfigError, match=r"^batch is a Batch, which does not say whose"):
        WeightedMean(2).share(Client(network()), plain, None)


@pytest.mark.parametrize(
    ("clients", "size", "advice"),
    [(10, 200, "at most 3 clients, or a batch of at most 79"), (1000, 2, "at most 398 clients")],
)
def test_it_is_said_how_many_clients_the_data_set_allows(clients, size, advice):
    said = (
        rf"^clients is {clients}, who share the 797 examples of .*'digits', .* choose {advice}\.$"
    )
    with pytest.raises(DatasetError, match=said):
        drawn(WeightedMean(clients), size=size)
    allowed = int(advice.split()[2])
    assert len(drawn(WeightedMean(allowed), size=size).labels) == allowed * size
