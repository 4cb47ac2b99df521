"""Optimisers of local steps: the update as a weighted sum of gradients, weight decay undone."""

from copy import deepcopy

import pytest
import torch
from support.command import Command
from torch import Tensor, nn

from spear.client import Client, FedAvg, LocalAdam, LocalAdamW, LocalProximal, LocalSGD
from spear.data import Batch
from spear.errors import ConfigError
from spear.inversion import SpearIrls
from spear.networks import fcnn
from spear.reconstruction import Status

ETA, B, LAYER = 0.05, 4, "1.weight"


def network(width: int = 30) -> nn.Module:
    return fcnn((20,), 3, width=width, depth=3).double()


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.randn(B, 20, generator=generator).double(), torch.arange(B) % 3)


def shared(epochs: int, width: int = 30, **optimizer: float) -> dict[str, Tensor]:
    client = Client(network(width), FedAvg(epochs, ETA, optimizer=LocalSGD(**optimizer)))
    return client.share(batch()).gradients


def gradient(net: nn.Module) -> dict[str, Tensor]:
    return Client(net).share(batch()).gradients


def path(rates: list[float], mu: float, decay: float) -> tuple[list[dict[str, Tensor]], nn.Module]:
    """The plain gradients of all steps, and the network behind them, by the rule written out."""
    net, found = network(), []
    velocity = {name: torch.zeros_like(value) for name, value in net.named_parameters()}
    for rate in rates:
        found.append(gradient(net))
        with torch.no_grad():
            for name, value in net.named_parameters():
                velocity[name] = mu * velocity[name] + found[-1][name] + decay * value
                value -= rate * velocity[name]
    return found, net


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("decay", [0.0, 5e-4, 0.1])
def test_one_step_shares_the_gradient_itself(momentum, decay):
    """v is 0 at the start, and eta lambda W_0 is subtracted."""
    assert_same(shared(1, momentum=momentum, weight_decay=decay), gradient(network()))


def test_momentum_weighs_each_gradient_by_the_steps_that_follow():
    steps, mu = 5, 0.9
    gradients, _ = path([ETA] * steps, mu, 0.0)
    weights = [(1 - mu ** (steps - t)) / (1 - mu) for t in range(steps)]
    expected = {
        name: sum(c * g[name] for c, g in zip(weights, gradients, strict=True))
        for name in gradients[0]
    }
    assert_same(shared(steps, momentum=mu), expected)


def test_weight_decay_weighs_each_gradient_by_what_decays_after_it():
    steps, decay = 5, 0.3
    gradients, _ = path([ETA] * steps, 0.0, decay)
    weights = [(1 - ETA * decay) ** (steps - 1 - t) for t in range(steps)]
    expected = {
        name: sum(c * g[name] for c, g in zip(weights, gradients, strict=True))
        for name in gradients[0]
    }
    assert_same(shared(steps, weight_decay=decay), expected)
    for each in (0.0, decay, 1.0):
        kept = LocalSGD(weight_decay=each).kept(ETA, steps)
        assert kept == pytest.approx((1 - ETA * each) ** steps, rel=1e-12)


def test_a_falling_rate_ends_at_its_share_of_the_first():
    rates = [ETA * (0.55 + 0.45 * c) for c in (1.0, 0.5, -0.5, -1.0)]  # cos of 0, 60, 120, 180
    gradients, _ = path(rates, 0.0, 0.0)
    expected = {
        name: sum(rate / ETA * g[name] for rate, g in zip(rates, gradients, strict=True))
        for name in gradients[0]
    }
    assert_same(shared(4, final_rate=0.1), expected)
    assert_same(shared(1, final_rate=0.1), gradient(network()))


@pytest.mark.parametrize(
    "settings",
    [
        {"momentum": 0.9, "weight_decay": 0.1},
        {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
        {"momentum": 0.5, "weight_decay": 0.3, "final_rate": 0.2},
    ],
)
def test_what_is_undone_leaves_a_sum_of_gradients_of_the_batchs_rank(settings):
    update = shared(4, **settings)[LAYER]
    values = torch.linalg.svdvals(update)
    assert values[B] < 1e-12 * values[0] < 1e-3 * values[B - 1]
    client = Client(network(), FedAvg(4, ETA, optimizer=LocalSGD(**settings)))
    kept = client.fedavg.optimizer.kept(ETA, 4)
    assert 0 < kept < 1
    still_decayed = update + (1 - kept) / ETA * client.network.get_parameter(LAYER).detach()
    assert torch.linalg.svdvals(still_decayed)[B] > 1e-3 * values[0]


def test_images_are_recovered_after_steps_with_momentum_and_weight_decay():
    settings = {"momentum": 0.9, "weight_decay": 0.1}
    client = Client(network(80), FedAvg(3, 1e-3, optimizer=LocalSGD(**settings)))
    found = SpearIrls()(client.share(batch()).observe(1))
    assert found.status in (Status.EXACT, Status.APPROXIMATE)
    distances = torch.cdist(batch().inputs, found.inputs.double())
    assert (distances.min(dim=1).values < 1e-4).all()


def test_accumulated_mini_batches_make_the_step_of_the_whole_batch():
    whole = Client(network(), FedAvg(3, ETA))
    for b_mini, accumulate in ((2, 2), (1, 4), (3, 2), (1, 9)):
        parts = Client(network(), FedAvg(3, ETA, b_mini, accumulate))
        found = parts.share(batch(), torch.Generator().manual_seed(0)).gradients
        assert_same(found, whole.share(batch()).gradients)


def test_what_is_left_at_the_end_of_an_epoch_makes_a_step():
    """4 mini-batches of 1, 3 to a step: 2 steps an epoch, for which decay is counted."""
    training = FedAvg(2, ETA, 1, 3, LocalSGD(weight_decay=0.5))
    update = Client(network(), training).share(batch(), torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(update.gradients[LAYER])
    assert values[B] < 1e-12 * values[0]


def test_plain_sgd_is_the_default_to_the_bit():
    plain, named = (
        Client(network().float(), FedAvg(3, ETA, 2, optimizer=each)) for each in (None, LocalSGD())
    )
    single = Batch(batch().inputs.float(), batch().labels)
    first, second = (
        each.share(single, torch.Generator().manual_seed(0)) for each in (plain, named)
    )
    assert all(torch.equal(value, second.gradients[k]) for k, value in first.gradients.items())


def test_the_network_is_left_as_it_was():
    net = network()
    before = deepcopy(net.state_dict())
    Client(net, FedAvg(2, ETA, optimizer=LocalSGD(0.9, 0.1))).share(batch())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LocalSGD(momentum=1.0), r"^momentum is 1\.0; expected a number from 0 to below"),
        (lambda: LocalSGD(momentum=-0.1), r"^momentum is -0\.1; expected"),
        (lambda: LocalSGD(weight_decay=-1.0), r"^weight_decay is -1\.0; expected a number of 0"),
        (lambda: LocalSGD(weight_decay=float("nan")), r"^weight_decay is nan; expected"),
        (lambda: LocalSGD(nesterov=True), r"^nesterov is true without momentum"),
        (lambda: LocalSGD(final_rate=0.0), r"^final_rate is 0\.0; expected the last rate"),
        (lambda: LocalSGD(final_rate=1.5), r"^final_rate is 1\.5; expected"),
        (lambda: FedAvg(1, ETA, accumulate=0), r"^accumulate is 0; expected at least 1\.$"),
        (lambda: LocalAdam(0.0), r"^epsilon is 0\.0; expected a finite number above 0\.$"),
        (lambda: LocalAdamW(weight_decay=-1.0), r"^weight_decay is -1\.0; expected a finite num"),
        (lambda: LocalProximal(-1.0), r"^proximal is -1\.0; expected a finite number of 0 or more"),
        (lambda: LocalAdam(float("inf")), r"^epsilon is inf; expected a finite number"),
    ],
)
def test_numbers_without_a_meaning_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


# FedProx.


@pytest.mark.parametrize("proximal", [0.1, 2.0])
def test_fedprox_weighs_each_gradient_by_the_pull_after_it(proximal):
    """The path by the rule written out, and the closed form of its weights."""
    steps, net, gradients = 5, network(), []
    start = deepcopy(net)
    for _ in range(steps):
        gradients.append(gradient(net))
        with torch.no_grad():
            for name, value in net.named_parameters():
                pull = proximal * (value - start.get_parameter(name))
                value -= ETA * (gradients[-1][name] + pull)
    weights = [(1 - ETA * proximal) ** (steps - 1 - t) for t in range(steps)]
    expected = {
        name: sum(c * g[name] for c, g in zip(weights, gradients, strict=True))
        for name in gradients[0]
    }
    client = Client(network(), FedAvg(steps, ETA, optimizer=LocalProximal(proximal)))
    assert_same(client.share(batch()).gradients, expected)


def test_one_step_of_fedprox_shares_the_gradient_and_is_exact():
    client = Client(network(80).float(), FedAvg(1, 0.1, optimizer=LocalProximal(5.0)))
    own = Batch(batch().inputs.float(), batch().labels)
    plain = Client(network(80).float(), FedAvg(1, 0.1)).share(own).gradients
    update = client.share(own)
    assert all(torch.equal(value, plain[name]) for name, value in update.gradients.items())
    found = SpearIrls()(update.observe(1))
    assert found.status in (Status.EXACT, Status.APPROXIMATE)
    double = Client(network(80), FedAvg(1, 0.1, optimizer=LocalProximal(5.0))).share(batch())
    assert SpearIrls()(double.observe(1)).status is Status.EXACT


def test_fedprox_beside_momentum_and_weight_decay_leaves_the_batchs_rank():
    optimizer = LocalProximal(1.0, momentum=0.9, weight_decay=0.1, final_rate=0.5)
    update = Client(network(), FedAvg(4, ETA, optimizer=optimizer)).share(batch())
    values = torch.linalg.svdvals(update.gradients[LAYER])
    assert values[B] < 1e-12 * values[0] < 1e-3 * values[B - 1]


# AdamW.


@pytest.mark.parametrize("decay", [0.0, 0.01, 1.0])
def test_the_first_step_of_adamw_gives_the_gradient_away(decay):
    optimizer = LocalAdamW(weight_decay=decay)
    client = Client(network(80), FedAvg(1, 1e-3, optimizer=optimizer))
    client.loss = Scaled(1e-3)
    update = client.share(batch())
    true = Client(network(80), loss=Scaled(1e-3)).share(batch()).gradients
    for name, value in update.gradients.items():
        torch.testing.assert_close(value, true[name], rtol=1e-6, atol=1e-12)
    found = SpearIrls(rank=B)(update.observe(1))
    assert found.status is Status.EXACT
    assert (torch.cdist(batch().inputs, found.inputs.double()).min(dim=1).values < 1e-5).all()


def test_decay_that_is_not_subtracted_is_no_gradient():
    client = Client(network(80), FedAvg(1, 1e-3, optimizer=LocalAdamW(weight_decay=1.0)))
    decayed = client.share(batch()).gradients[LAYER]
    net = network(80)
    for name, value in net.named_parameters():
        value.grad = gradient(network(80))[name]
    torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1.0).step()
    before, after = network(80).get_parameter(LAYER), net.get_parameter(LAYER)
    told = LocalAdam().undone(before.detach(), after.detach(), 1e-3, 1)
    true = gradient(network(80))[LAYER]
    assert (decayed - true).norm() < 1e-4 * true.norm()
    assert (told - true).norm() > 0.5 * true.norm()


# Adam.


def adam(dtype: torch.dtype, eta: float = 1e-3, width: int = 80) -> tuple[Client, Batch]:
    client = Client(network(width).to(dtype), FedAvg(1, eta, optimizer=LocalAdam()))
    return client, Batch(batch().inputs.to(dtype), batch().labels)


def test_the_first_step_of_adam_itself_has_full_rank():
    net = network()
    for name, value in net.named_parameters():
        value.grad = gradient(network())[name]
    torch.optim.Adam(net.parameters(), lr=ETA).step()
    moved = (network().get_parameter(LAYER) - net.get_parameter(LAYER)).detach() / ETA
    values = torch.linalg.svdvals(moved)
    assert values[B + 4] > 0.05 * values[0]


def test_the_first_step_of_adam_gives_the_gradient_away():
    client, own = adam(torch.float64)
    found, true = client.share(own).gradients, gradient(network(80))
    for name, value in found.items():
        torch.testing.assert_close(value, true[name], rtol=1e-7, atol=1e-12)
        assert (value[true[name] == 0] == 0).all()


def test_what_is_told_of_adams_step_is_as_exact_as_derived():
    """|error| is about g^2 delta / epsilon; an entry that is too large is taken for the largest."""
    client, own = adam(torch.float32)
    found, true = client.share(own).gradients[LAYER].double(), gradient(network(80))[LAYER]
    weight = client.network.get_parameter(LAYER).detach().double()
    delta = 2**-24 * (weight.abs() / 1e-3 + 2)
    told = true.abs() < 0.1 * 1e-8 / delta
    assert told.sum() > 100
    errors = (found - true).abs() / (true.square() * delta / 1e-8 + 1e-7 * true.abs() + 1e-16)
    assert errors[told].max() < 4
    assert errors[told & (true != 0)].median() > 0.05
    large = 1e-8 / delta < true.abs() / 10
    assert (found.abs() <= true.abs() + 1e-8 / delta)[large].all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_images_are_recovered_from_a_step_of_adam(dtype):
    """Small gradients, as of wide networks, are told well."""
    client, own = adam(dtype)
    client.loss = Scaled(1e-3)
    found = SpearIrls(rank=B)(client.share(own).observe(1))
    distances = torch.cdist(own.inputs.double(), found.inputs.double()).min(dim=1).values
    if dtype is torch.float64:
        assert found.status is Status.EXACT
        assert distances.max() < 1e-6
    else:
        assert found.status is not Status.EXACT
        assert (distances < 0.1 * own.inputs.norm(dim=1)).all()


class Scaled(nn.CrossEntropyLoss):
    """A loss whose gradients are smaller by a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        return self.factor * super().forward(scores, labels)


@pytest.mark.parametrize("optimizer", [LocalAdam(), LocalAdamW()])
def test_more_steps_of_adam_are_refused(optimizer):
    client = Client(network(), FedAvg(1, ETA, 2, optimizer=optimizer))
    with pytest.raises(
        ConfigError, match=r"^the client takes 2 steps of Adam, whose update is no "
    ):
        client.share(batch())


def test_the_command_takes_momentum_and_a_step_of_adam(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path, monkeypatch, capfd)
    small = ("dataset=digits", "batch_size=2", "n_batches=1", "network.width=50", "fedavg=fedavg")
    assert spear(*small, "fedavg/optimizer=momentum", "fedavg.accumulate=2").code == 0
    refused = spear(*small, "fedavg/optimizer=adam")
    assert refused.code == 1
    assert "choose fedavg/optimizer=sgd or momentum." in refused.message
    assert spear(*small, "fedavg/optimizer=adam", "fedavg.epochs=1", "seed=1").code == 0
