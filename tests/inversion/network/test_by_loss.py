"""Networks without biases behind homogeneous activations: the loss fixes the lengths."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

import spear
from spear.client.client import Client
from spear.data import CIFAR10, Batch
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation, LayerError, VictimError
from spear.inversion import SpearPairByLoss
from spear.inversion.network.by_loss import solved_by_loss
from spear.inversion.network.reproduction import unreproduced
from spear.networks import fcnn
from spear.reconstruction import LENGTHS_OPEN, RESTS_ON_LOSS, SIGNS_OPEN, Status
from spear.seeding import Stream, batch_generator
from spear.update import Update

HOMOGENEOUS = ["relu", "leaky_relu", "prelu"]


def network(activation="relu", classes=10, width=64, depth=4, bias=False) -> nn.Sequential:
    return fcnn((60,), classes, width, depth, activation=activation, bias=bias)


def batch(b=5, classes=10, seed=1) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(b, 60, generator=generator)
    return Batch(inputs, torch.randint(classes, (b,), generator=generator))


def changed(update: Update, factor, layers=range(10)) -> Update:
    names = [f"{name}.weight" for name, each in update.network.named_modules()
             if isinstance(each, nn.Linear)]  # fmt: skip
    of = {names[k] for k in layers if k < len(names)}
    own = {name: factor(each) if name in of else each for name, each in update.gradients.items()}
    return Update(update.network, own, update.loss, update.domain)


def attack(update: Update, **settings):
    chosen = SpearPairByLoss(**{"time_limit": 10.0, "max_starts": 2000} | settings)
    return chosen(chosen.observe(update))


def error(found, true) -> float:
    distances = torch.cdist(found, true.double()) / true.double().norm(dim=1)
    return float(distances.amin(dim=0).max())


@pytest.mark.parametrize("activation", HOMOGENEOUS)
@pytest.mark.parametrize("b", [1, 6])
def test_lengths_and_labels_of_every_input_are_found(activation, b):
    data = batch(b)
    found = attack(Client(network(activation)).share(data))
    assert found.status is Status.EXACT
    assert error(found.inputs, data.inputs) < 1e-5
    assert found.details[RESTS_ON_LOSS] == 1
    assert "their lengths rest on the cross-entropy of the outputs" in found.message
    nearest = torch.cdist(found.inputs, data.inputs.double()).argmin(dim=0)
    assert torch.equal(found.labels[nearest].argmax(dim=1), data.labels)


def test_the_classifier_may_be_the_next_layer():
    data = batch(6)
    found = attack(Client(network(depth=2)).share(data))
    assert found.status is Status.EXACT
    assert error(found.inputs, data.inputs) < 1e-5


def test_inner_layers_are_inverted():
    model, data = network(), batch()
    found = attack(Client(model).share(data), layer=2)
    assert found.status is Status.EXACT
    with torch.no_grad():
        inner = torch.relu(model[1](data.inputs))
    assert error(found.inputs, inner) < 1e-5


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_cifar10_is_inverted(activation):
    root = Path(os.environ.get("SPEAR_DATA", "data"))
    if not (root / "cifar-10-batches-py").is_dir():
        pytest.skip("SPEAR_DATA has no cifar-10-batches-py")
    dataset = CIFAR10(root)
    model = fcnn(dataset.input_shape, 10, 200, 6, activation=activation, bias=False)
    data = dataset.batch(20, batch_generator(0, 0, Stream.DATA))
    found = attack(Client(model, domain=dataset.domain).share(data))
    assert found.status is Status.EXACT
    assert error(found.inputs, data.inputs.flatten(1)) < 1e-4


def test_two_classes_leave_the_lengths_open():
    data = batch(3, classes=2)
    found = attack(Client(network(classes=2)).share(data))
    assert found.status is Status.APPROXIMATE
    assert found.details[LENGTHS_OPEN] == 1
    assert "nothing fixes their lengths" in found.message
    unit = nn.functional.normalize
    assert error(unit(found.inputs), unit(data.inputs)) < 1e-5


def test_an_input_without_a_gradient_does_not_change_the_lengths():
    """Zeros leave nothing, but the mean is over them, too."""
    data = batch(5)
    data = Batch(torch.cat([data.inputs, torch.zeros(1, 60)]), torch.arange(6))
    found = attack(Client(network()).share(data))
    assert found.status is Status.EXACT
    assert found.batch_size == 5
    assert error(found.inputs, data.inputs[:5]) < 1e-5


@pytest.mark.parametrize("layers", [range(10), [0], [0, 1], [1], [2], [3]])
@pytest.mark.parametrize("factor", [1.001, 0.9, 3.0, -1.0])
def test_a_factor_is_never_taken_for_a_length(layers, factor):
    data = batch(5)
    found = attack(
        changed(Client(network()).share(data), lambda each: factor * each, layers), max_starts=200
    )
    assert found.status is not Status.EXACT


@pytest.mark.parametrize("layer", range(4))
@pytest.mark.parametrize("kind", ["permuted", "coarse", "half", "clipped"])
def test_altered_gradients_are_not_exact(layer, kind):
    change = {
        "permuted": lambda each: each[torch.arange(len(each)).roll(1)],
        "coarse": lambda each: (each / each.abs().max() * 127).round() / 127 * each.abs().max(),
        "half": lambda each: each.bfloat16().float(),
        "clipped": lambda each: each.clamp(-each.std(), each.std()),
    }[kind]
    update = changed(Client(network()).share(batch()), change, [layer])
    assert end(update) is not Status.EXACT


def end(update: Update) -> Status:
    """The status; that of full rank, too, where the next layer shows it."""
    try:
        return attack(update, max_starts=200, time_limit=2.0).status
    except InvalidObservation:
        return Status.FULL_RANK


def test_two_batches_are_not_one():
    client = Client(network())
    first, second = client.share(batch(3)), client.share(batch(3, seed=2))
    both = {name: each + second.gradients[name] for name, each in first.gradients.items()}
    found = attack(Update(first.network, both, first.loss, first.domain))
    assert found.status is Status.PARTIAL
    name = list(first.gradients)[-1]
    halves = {**first.gradients, name: second.gradients[name]}
    found = attack(Update(first.network, halves, first.loss, first.domain))
    assert found.status is Status.PARTIAL


def test_duplicates_of_some_inputs_are_not_exact():
    data = batch(4)
    data = Batch(data.inputs[[0, 0, 1, 2]], data.labels[[0, 0, 1, 2]])
    assert attack(Client(network()).share(data)).status is Status.PARTIAL


@pytest.mark.parametrize("activation", HOMOGENEOUS)
def test_a_batch_reproduces_its_own_gradients_alone(activation):
    data = batch()
    update = Client(network(activation).double()).share(Batch(data.inputs.double(), data.labels))
    chain = SpearPairByLoss().observe(update)
    inputs = data.inputs.double()
    assert unreproduced(chain, 0, inputs, data.labels, 5) < 1e-12
    assert unreproduced(chain, 0, 1.01 * inputs, data.labels, 5) > 1e-3
    assert unreproduced(chain, 0, inputs, (data.labels + 1) % 10, 5) > 1e-2
    assert unreproduced(chain, 0, inputs, data.labels, 6) > 1e-2


def test_the_same_seed_gives_the_same_result():
    update = Client(network()).share(batch())
    assert torch.equal(attack(update).inputs, attack(update).inputs)


def test_a_gradient_of_zeros_gives_nothing():
    update = changed(Client(network()).share(batch()), torch.zeros_like)
    assert attack(update).status is Status.ZERO_GRADIENT


def test_the_call_for_a_network_takes_it():
    model, data = network(), batch()
    gradients = Client(model).share(data).gradients
    found = spear.invert_network(model, gradients, (60,), attack=SpearPairByLoss())
    assert found.status is Status.EXACT
    assert solved_by_loss  # of which `spear_network` consists, too


def test_what_does_not_fit_is_refused():
    domain = Domain.unbounded((60,))
    with pytest.raises(LayerError, match=r"^layer 1 \(1\) has a bias; expected none from layer 1"):
        SpearPairByLoss().check(network(bias=True), domain)
    with pytest.raises(InvalidObservation, match=r"^the activation is gelu, behind which the loss"):
        SpearPairByLoss().check(network("gelu"), domain)
    with pytest.raises(LayerError, match="expected linear layers with one elementwise activation"):
        SpearPairByLoss().check(nn.Sequential(*network(), nn.ReLU()), domain)
    SpearPairByLoss().check(network(), domain)
    update = Client(network(), loss=nn.CrossEntropyLoss(label_smoothing=0.1)).share(batch())
    with pytest.raises(VictimError, match=r"^the loss smooths labels by 0\.1; expected hard ones"):
        SpearPairByLoss().observe(update)
    update = Client(network(), loss=nn.CrossEntropyLoss(reduction="sum")).share(batch())
    with pytest.raises(VictimError, match=r"^the loss is .*mean cross-entropy"):
        SpearPairByLoss().observe(update)
    few = Client(network(classes=3, depth=2)).share(batch(5, classes=3))
    with pytest.raises(InvalidObservation, match=r"rank \d with 5 inputs; without a bias"):
        attack(few)
    for setting in ({"time_limit": 0}, {"max_starts": 0}, {"rank": 0}, {"device": "moon"}):
        with pytest.raises(ConfigError, match=f"^{next(iter(setting))} is"):
            SpearPairByLoss(**setting)


def test_behind_the_absolute_value_signs_are_open():
    """|z| is a leaky ReLU of slope -1: x and -x have the same logits and gradients."""
    activations = (nn.LeakyReLU(-1.0), nn.LeakyReLU(-1.0))
    torch.manual_seed(0)
    of_magnitudes = nn.Sequential(
        nn.Linear(60, 80, bias=False), activations[0],
        nn.Linear(80, 50, bias=False), activations[1], nn.Linear(50, 10, bias=False),
    )  # fmt: skip
    found = attack(Client(of_magnitudes).share(batch(3)))
    assert found.status is Status.APPROXIMATE
    assert found.details[SIGNS_OPEN] == 1
