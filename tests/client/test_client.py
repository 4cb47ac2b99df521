"""The client: what it shares, and what scoring is told about it."""

import pytest
import torch
from torch import nn

from spear.client.client import Client
from spear.client.defenses import DPSGD, NoDefense
from spear.data import Batch
from spear.domain import Domain
from spear.errors import ConfigError, LayerError
from spear.scoring import truth_of
from spear.scoring.truth import MOST_COLUMNS, Truth


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.randn(5, 12, generator=generator), torch.arange(5) % 3)


def network(inplace: bool = False) -> nn.Sequential:
    torch.manual_seed(1)
    relus = [nn.ReLU(inplace=inplace) for _ in range(2)]
    return nn.Sequential(nn.Linear(12, 30), relus[0], nn.Linear(30, 20), relus[1], nn.Linear(20, 3))


def test_the_update_is_the_gradient_of_the_mean_loss(batch):
    net = network()
    update = Client(net).share(batch)
    nn.functional.cross_entropy(net(batch.inputs), batch.labels).backward()
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(update.gradients[name], parameter.grad)


@pytest.mark.parametrize("given", ["tuple", "Tensor", "NoneType"])
def test_what_is_no_batch_is_refused(batch, given):
    values = {"tuple": (batch.inputs, batch.labels), "Tensor": batch.inputs, "NoneType": None}
    with pytest.raises(ConfigError, match=rf"^batch is a {given}; expected a spear\.Batch, as"):
        Client(network()).share(values[given])


def test_sharing_leaves_the_network_as_it_was(batch):
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    client = Client(net)
    client.share(batch)
    truth_of(client, batch, 1)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_the_server_knows_its_own_task_and_labels_only_where_granted(batch):
    loss, domain = nn.CrossEntropyLoss(label_smoothing=0.1), Domain.unbounded((12,))
    update = Client(network(), loss=loss, domain=domain).share(batch)
    assert update.loss is loss
    assert update.domain is domain
    assert Client(network()).share(batch).domain.shape == (12,)
    assert update.labels is None
    assert torch.equal(update.with_labels(batch.labels).labels, batch.labels)


def test_without_a_layer_truth_is_the_networks_input(batch):
    client = Client(network())
    truth = truth_of(client, batch, None)
    assert torch.equal(truth.inputs, batch.inputs)
    assert truth.activation_gradients.shape == (0, 5)
    assert client.share(batch).dimensions(None) == (0, 12)
    assert client.share(batch).dimensions(2) == (20, 30)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("layer", [1, 2])
def test_truth_multiplies_to_the_update(batch, layer, inplace):
    client = Client(network(inplace))
    observation = client.share(batch).observe(layer)
    truth = truth_of(client, batch, layer)
    torch.testing.assert_close(
        truth.activation_gradients @ truth.inputs, observation.weight_gradient
    )
    torch.testing.assert_close(truth.activation_gradients.sum(dim=1), observation.bias_gradient)
    z = truth.inputs @ observation.weight.T + observation.bias
    assert torch.equal(truth.activation_gradients != 0, (z > 0).T)


def test_noise_is_measured_against_the_median_of_the_undefended_gradient(batch):
    net = network()
    gradient = Client(net).share(batch).observe(1).weight_gradient
    defended = Client(net, defense=DPSGD(0.1, 1.0))
    median = truth_of(defended, batch, 1).weight_gradient_median()
    assert median == pytest.approx(float(gradient.abs().median()), rel=1e-5)


def test_the_median_of_a_wide_layer_is_over_evenly_spaced_columns():
    n = 2 * MOST_COLUMNS
    truth = Truth(torch.arange(float(n))[None], -torch.ones(3, 1), torch.zeros(1))
    assert truth.weight_gradient_median() == pytest.approx(n / 2, rel=1e-3)


def test_the_least_sparsity_is_the_share_of_neurons_that_the_busiest_sample_leaves_off(batch):
    net = network()
    active = (net[:2](batch.inputs) > 0).float().mean(dim=1)
    sparsity = truth_of(Client(net), batch, 1).least_sparsity()
    assert sparsity == pytest.approx(1 - float(active.max()))
    columns = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    assert Truth(torch.ones(2, 3), columns, torch.zeros(2)).least_sparsity() == 0.5


def test_an_observation_holds_one_layer_and_nothing_of_the_batch(batch):
    observation = Client(network()).share(batch).observe(1)
    assert set(vars(observation)) == {"weight", "bias", "weight_gradient", "bias_gradient"}
    assert observation.weight.shape == observation.weight_gradient.shape == (30, 12)


@pytest.mark.parametrize("defense", [NoDefense(), DPSGD(1.0, 0.0)])
def test_frozen_parameters_are_not_shared(batch, defense):
    net = network()
    net[0].requires_grad_(False)
    update = Client(net, defense=defense).share(batch)
    assert set(update.gradients) == {"2.weight", "2.bias", "4.weight", "4.bias"}
    assert update.observe(2).weight_gradient.shape == (20, 30)
    with pytest.raises(LayerError, match=r"weight of layer 1 \(0\) is frozen"):
        update.observe(1)
