"""Inputs behind a hardtanh that have no kink, told apart by the loss."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot

import spear
from spear.activations.elementwise import Elementwise
from spear.budget import Budget
from spear.client.client import Client
from spear.data import CIFAR10, Batch
from spear.domain import Domain
from spear.errors import LayerError, VictimError
from spear.inversion import SpearNetwork, SpearPair, SpearPairToLoss
from spear.inversion.factors.input_errors import ALLOWED_ERROR
from spear.inversion.network import mixture
from spear.inversion.network.mixture import labels_by_gradients, unmixed
from spear.inversion.network.reproduction import gradients_of_layers, unreproduced
from spear.inversion.network.told_apart import needs_the_loss
from spear.inversion.network.whole_fit import Fitted, WholeFit
from spear.inversion.pair.kinkless import beside, kinkless
from spear.inversion.pair.problem import pair_problem
from spear.inversion.pair.rows import RowSpace
from spear.networks import fcnn, lenet
from spear.reconstruction import (
    LARGEST_ERROR,
    LEAST_CERTAIN,
    TOLD_APART_BY_LOSS,
    UNCERTAIN,
    Status,
)
from spear.seeding import Stream, batch_generator
from spear.update import Update

KINKLESS = 2


def network(depth=2, activation="hardtanh", **settings) -> nn.Sequential:
    return fcnn((60,), 10, 80, depth, activation=activation, **settings)


def batch(labels=(3, 7, 1, 0, 2)) -> Batch:
    """Inputs of which the first two have little contrast, and hence no kink."""
    generator = torch.Generator().manual_seed(1)
    inputs = 2.5 * torch.randn(len(labels), 60, generator=generator)
    inputs[:KINKLESS] *= 0.1
    return Batch(inputs, torch.tensor(labels))


def update(depth=2, labels=(3, 7, 1, 0, 2)) -> Update:
    return Client(network(depth)).share(batch(labels))


def attack(shared: Update, kind=SpearPairToLoss):
    chosen = kind(time_limit=60.0, max_starts=500)
    return chosen(chosen.observe(shared))


def error(found, true) -> float:
    distances = torch.cdist(found, true.double()) / true.double().norm(dim=1)
    return float(distances.amin(dim=0).max())


def chain_and_problem(depth=2):
    chain = SpearPairToLoss().observe(update(depth))
    return chain, pair_problem(chain.pair(0))


@pytest.mark.parametrize("depth", [2, 4])
def test_the_loss_tells_apart_what_the_pair_does_not(depth):
    shared, data = update(depth), batch()
    assert attack(shared, SpearPair).status is not Status.EXACT
    found = attack(shared)
    assert found.status is Status.EXACT
    assert error(found.inputs, data.inputs) < 1e-4
    assert found.details[TOLD_APART_BY_LOSS] >= KINKLESS
    assert "tells inputs without a kink apart" in found.message
    nearest = torch.cdist(found.inputs, data.inputs.double()).argmin(dim=0)
    assert torch.equal(found.labels[nearest].argmax(dim=1), data.labels)


@pytest.mark.parametrize("depth", [2, 4])
def test_the_default_asks_the_loss_where_the_pair_leaves_a_mixture(depth):
    shared, data = update(depth), batch()
    found = attack(shared, SpearNetwork)
    assert found.status is Status.EXACT
    assert error(found.inputs, data.inputs) < 1e-4
    assert "tells inputs without a kink apart" in found.message


def test_the_default_asks_no_other_loss():
    """Of smoothed labels nothing is assumed: the mixture stays open, and is not exact."""
    model, data = network(), batch()
    smoothed = nn.CrossEntropyLoss(label_smoothing=0.1)
    gradients = torch.autograd.grad(
        smoothed(model(data.inputs), data.labels), list(model.parameters())
    )
    names = [name for name, _ in model.named_parameters()]
    own = dict(zip(names, gradients, strict=True))
    found = attack(Update(model, own, smoothed, Domain.unbounded((60,))), SpearNetwork)
    assert found.status is not Status.EXACT
    assert TOLD_APART_BY_LOSS not in found.details


def test_layers_behind_whose_activations_have_no_derivatives_of_their_own_are_not_asked():
    class Own(Elementwise):
        name = "own"

        def value(self, z):
            return z.sin()

    chain, problem = chain_and_problem(4)
    assert needs_the_loss(chain, problem)
    assert not needs_the_loss(replace(chain, activations=(Own(), *chain.activations[1:])), problem)
    assert not needs_the_loss(replace(chain, to_loss=False), problem)


def test_two_inputs_of_one_class_are_told_apart():
    labels = (3, 3, 1, 0, 2)
    found = attack(update(labels=labels))
    assert found.status is Status.EXACT
    assert error(found.inputs, batch(labels).inputs) < 1e-3


def test_more_inputs_than_classes_less_one_are_told_apart():
    """Then the next layer's gradient does not span the activations."""
    labels = (3, 7, *range(10))
    found = attack(update(labels=labels))
    assert found.status is Status.EXACT
    assert error(found.inputs, batch(labels).inputs) < 1e-4


def test_without_such_inputs_it_is_the_attack_on_the_pair():
    shared = Client(network(activation="gelu")).share(batch())
    assert torch.equal(attack(shared).inputs, attack(shared, SpearPair).inputs)


def test_mixtures_have_the_gradients_of_the_pair():
    """The reason why the pair alone is not enough: X T and D T^-T."""
    chain, problem = chain_and_problem()
    data = batch()
    inputs = data.inputs.double()
    hard = one_hot(data.labels, 10).double()
    gradients = gradients_of_layers(chain, 0, inputs, hard)
    mixing = torch.eye(5, dtype=torch.float64)
    mixing[:2, :2] = torch.tensor([[0.8, 0.3], [0.2, 0.7]])
    first, second = chain.layers[0], chain.activations[0]
    z = inputs @ first.weight.double().T + first.bias.double()
    mixed = mixing.T @ inputs
    mixed_z = mixed @ first.weight.double().T + first.bias.double()
    inverse = torch.linalg.inv(mixing)
    assert torch.allclose(gradients[0].T @ inputs, (inverse @ gradients[0]).T @ mixed)
    assert torch.allclose(
        gradients[1].T @ second.value(z), (inverse @ gradients[1]).T @ second.value(mixed_z)
    )
    assert len(kinkless(problem)) == KINKLESS


def test_rows_of_samples_with_a_kink_are_orthogonal_to_the_kinkless_directions():
    _, problem = chain_and_problem()
    inputs = batch().inputs.double()
    rows = torch.linalg.lstsq(problem.first.right.T, inputs.T).solution.T
    space = beside(RowSpace.of(problem), kinkless(problem))
    distances = torch.linalg.vector_norm(space.rows(space.coordinates(rows)) - rows, dim=1)
    relative = distances / torch.linalg.vector_norm(rows, dim=1)
    assert bool((relative[KINKLESS:] < 1e-4).all())
    assert bool((relative[:KINKLESS] > 1e-2).all())


def test_known_samples_tell_labels_and_batch_size():
    chain, _ = chain_and_problem()
    data = batch()
    hard = one_hot(data.labels, 10).double()
    gradients = gradients_of_layers(chain, 0, data.inputs.double(), hard)[0] / 7
    labels, size = labels_by_gradients(chain, data.inputs.double(), gradients)
    assert torch.equal(labels, data.labels)
    assert size == 7
    assert labels_by_gradients(chain, data.inputs[:0].double(), gradients[:0])[1] is None


def test_gradients_of_layers_are_those_of_autograd():
    shared, data = update(4), batch()
    chain = SpearPairToLoss().observe(shared)
    assert unreproduced(chain, 0, data.inputs.double(), data.labels, 5) < 1e-6
    other = data.labels.flip(0)
    assert unreproduced(chain, 0, data.inputs.double(), other, 5) > 1e-2


def test_a_bias_gradient_that_the_batch_does_not_make_is_seen():
    shared, data = update(4), batch()
    name = list(shared.gradients)[3]
    assert name.endswith("bias")
    own = shared.gradients | {name: 1.01 * shared.gradients[name]}
    chain = SpearPairToLoss().observe(Update(shared.network, own, shared.loss, shared.domain))
    assert unreproduced(chain, 0, data.inputs.double(), data.labels, 5) > 5e-3


@pytest.mark.parametrize("factor", [1.01, -1.0])
@pytest.mark.parametrize("part", ["weight", "bias"])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_an_altered_layer_is_never_exact(place, part, factor):
    shared = update(4)
    name = [each for each in shared.gradients if each.endswith(part)][place]
    own = shared.gradients | {name: factor * shared.gradients[name]}
    found = attack(Update(shared.network, own, shared.loss, shared.domain))
    assert found.status is not Status.EXACT


def test_an_input_that_the_gradients_leave_open_by_half_a_percent_is_not_exact(monkeypatch):
    """`exact` bounds the error of each input by 0.1 %, also where the loss tells it."""
    refined = WholeFit.refined

    def open_(self: WholeFit, rows: torch.Tensor) -> Fitted:
        found = refined(self, rows)
        found.errors[3] = 5e-3
        return found

    monkeypatch.setattr(WholeFit, "refined", open_)
    found = attack(update())
    assert found.status is Status.APPROXIMATE
    assert found.details[UNCERTAIN] == 1
    assert found.details[LEAST_CERTAIN] == 3
    assert found.details[LARGEST_ERROR] == pytest.approx(5e-3)


class Weighted(nn.Module):
    """Mean cross-entropy with a weight for the first sample."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, outputs, labels):
        each = nn.functional.cross_entropy(outputs, labels, reduction="none")
        weights = torch.ones_like(each)
        weights[0] = self.weight
        return (weights * each).mean()


@pytest.mark.parametrize("weight", [1e-2, 1e-4, 1e-5, 1e-6, 8e-7, 3e-8])
@pytest.mark.parametrize("activation", ["hardtanh", "gelu"])
def test_a_sample_of_another_weight_in_the_loss_is_right_or_not_exact(activation, weight):
    """The server takes the loss for the plain one; the sample drowns in rounding in the end."""
    private = batch() if activation == "hardtanh" else batch((3, 7, 1))
    victim = network(activation=activation)
    shared = Client(victim, loss=Weighted(weight)).share(private)
    chosen = SpearPairToLoss(time_limit=None, max_starts=100)
    found = chosen(chosen.observe(replace(shared, loss=nn.CrossEntropyLoss())))
    if found.status is Status.EXACT:
        true = private.inputs.double()
        errors = torch.cdist(found.inputs, true) / true.norm(dim=1)
        assert float(errors.amin(dim=1).max()) <= ALLOWED_ERROR
    assert activation != "gelu" or weight < 1e-2 or found.status is Status.EXACT


def test_labels_that_do_not_fit_explain_nothing(monkeypatch):
    """The gradients of another loss, here a squared one, are those of no labels."""
    monkeypatch.setattr(mixture, "TRIED", 3)
    model, data = network(), batch()
    outputs = model(data.inputs)
    loss = (outputs - 3 * one_hot(data.labels, 10)).square().sum() / 5
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    names = [name for name, _ in model.named_parameters()]
    shared = update()
    own = dict(zip(names, gradients, strict=True))
    found = attack(Update(model, own, shared.loss, shared.domain))
    assert found.status is not Status.EXACT
    chain = SpearPairToLoss().observe(Update(model, own, shared.loss, shared.domain))
    problem = pair_problem(chain.pair(0))
    generator = torch.Generator().manual_seed(0)
    assert unmixed(chain, problem, 5.0, generator, Budget(30.0)) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "b", "k"), [(6, 8, 3), (2, 8, 5), (6, 20, 6), (6, 20, 7), (2, 20, 7), (6, 20, 14)]
)
def test_cifar10_is_told_apart(depth, b, k):
    """Of the last three, some inputs that are left to the loss have a neuron beyond a kink."""
    root = Path(os.environ.get("SPEAR_DATA", "data"))
    if not (root / "cifar-10-batches-py").is_dir():
        pytest.skip("SPEAR_DATA has no cifar-10-batches-py")
    dataset = CIFAR10(root)
    model = fcnn(dataset.input_shape, 10, 200, depth, activation="hardtanh")
    data = dataset.batch(b, batch_generator(0, k, Stream.DATA))
    found = attack(Client(model, domain=dataset.domain).share(data), SpearNetwork)
    assert found.status is Status.EXACT
    assert error(found.inputs, data.inputs.flatten(1)) < 1e-4


def test_a_network_that_does_not_fit_is_refused():
    domain = Domain((60,), 0.0, 1.0)
    with pytest.raises(LayerError, match="does not lead to the network's outputs"):
        SpearPairToLoss().check(nn.Sequential(*network(), nn.ReLU()), domain)
    SpearPairToLoss().check(network(), domain)
    with pytest.raises(LayerError, match="layer is 1, but the network's outputs and then nothing"):
        SpearPairToLoss().check(lenet((3, 32, 32), 10), Domain((3, 32, 32), 0.0, 1.0))
    shared = update()
    smoothed = nn.CrossEntropyLoss(label_smoothing=0.1)
    with pytest.raises(VictimError, match="smooths labels"):
        SpearPairToLoss().observe(Update(shared.network, shared.gradients, smoothed, domain))


def test_it_is_one_call_for_the_user():
    model, data = network(), batch()
    shared = Client(model).share(data)
    found = spear.invert_network(model, shared.gradients, (60,), attack=SpearPairToLoss())
    assert error(found.inputs, data.inputs) < 1e-4
