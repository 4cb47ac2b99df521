"""Batch norms in evaluation mode: folded, a network and its gradients stay what they are."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.prune import l1_unstructured

import spear
from spear.auditing import Verdict, audit
from spear.baselines.label_recovery import AnalyticInversion, CountedLabels
from spear.baselines.lt_peeling.downstream import Downstream
from spear.client.client import Client
from spear.folding import fold, fold_gradients, foldings, without_norms
from spear.inversion.sampling.prior import estimated_pre_activations
from spear.layers import linear_layers
from spear.networks import fcnn, fcnn_batch_norm
from spear.scoring import truth_of
from spear.update import Update

SHAPE, CLASSES, B = (24,), 5, 3


def normed(**settings) -> nn.Sequential:
    """A network with norms, none of whose numbers is plain."""
    network = fcnn_batch_norm(SHAPE, CLASSES, **({"width": 40, "depth": 3} | settings)).double()
    generator = torch.Generator().manual_seed(3)
    for norm in [each for each in network if isinstance(each, nn.BatchNorm1d)]:
        signs = torch.randint(2, (40,), generator=generator) * 2 - 1
        norm.weight.data = signs * (0.5 + torch.rand(40, generator=generator, dtype=torch.float64))
        norm.bias.data = torch.randn(40, generator=generator, dtype=torch.float64)
    return network


def batch() -> spear.Batch:
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(B, *SHAPE, generator=generator, dtype=torch.float64)
    return spear.Batch(inputs, torch.tensor([0, 4, 2]))


def gradients(network: nn.Module) -> dict[str, torch.Tensor]:
    found = nn.CrossEntropyLoss()(network(batch().inputs), batch().labels)
    names, parameters = zip(*network.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(found, parameters), strict=True))


@pytest.mark.parametrize("bias", [True, False])
def test_the_folded_network_and_its_gradients_are_the_same(bias):
    network = normed(bias=bias)
    chosen = foldings(network, SHAPE)
    assert [(each.layer, each.norm) for each in chosen] == [("1", "2"), ("4", "5")]
    plain = fold(network, chosen)
    torch.testing.assert_close(plain(batch().inputs), network(batch().inputs))
    found = fold_gradients(gradients(network), chosen)
    true = gradients(plain)
    assert found.keys() == true.keys()
    for name in true:
        torch.testing.assert_close(found[name], true[name])


def test_a_frozen_beta_leaves_the_bias_of_the_layer():
    network = normed(bias=True)
    chosen = foldings(network, SHAPE)
    shared = {name: each for name, each in gradients(network).items() if name != "2.bias"}
    found, true = fold_gradients(shared, chosen), gradients(fold(network, chosen))
    torch.testing.assert_close(found["1.bias"], true["1.bias"])


def test_the_given_network_is_left_as_it_is():
    network = normed()
    before = {name: each.clone() for name, each in network.state_dict().items()}
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    without_norms(network, SHAPE)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(each, before[name]) for name, each in network.state_dict().items())
    assert not any(each._forward_hooks for each in network.modules())


def shared_norm() -> nn.Module:
    norm = nn.BatchNorm1d(8)
    return nn.Sequential(nn.Linear(24, 8), norm, nn.ReLU(), nn.Linear(8, 8), norm)


class Skips(nn.Module):
    """The layer's outputs go to the norm and past it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(24, 8), nn.BatchNorm1d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.layer(x)
        return self.norm(z) + z


@pytest.mark.parametrize(
    "network",
    [
        fcnn(SHAPE, CLASSES, width=8, depth=2),
        nn.Sequential(nn.Linear(24, 8), nn.BatchNorm1d(8)).train(),
        nn.Sequential(nn.Linear(24, 8), nn.ReLU(), nn.BatchNorm1d(8)).eval(),
        nn.Sequential(nn.Linear(24, 8), nn.BatchNorm1d(8, track_running_stats=False)).eval(),
        shared_norm().eval(),
        Skips().eval(),
    ],
    ids=["no norm", "training", "behind the activation", "no statistics", "shared", "skips"],
)
def test_what_cannot_be_folded_is_not(network):
    assert foldings(network, SHAPE) == ()
    assert without_norms(network, SHAPE) is network


class Images(nn.Module):
    """A network of images with norms between convolutions; it counts its runs, also of copies."""

    runs = 0

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(4 * 4 * 4, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        type(self).runs += 1
        return self.head(self.body(x))


def test_norms_of_images_cost_no_run(monkeypatch):
    """They never stand behind a linear layer: the layers are found by one run, and no folding's."""
    monkeypatch.setattr(Images, "runs", 0)
    network = Images().eval()
    assert without_norms(network, (3, 6, 6)) is network
    assert Images.runs == 0
    assert [each.name for each in linear_layers(network, (3, 6, 6))] == ["head"]
    assert Images.runs == 1


def test_a_synchronised_norm_is_folded():
    network = nn.Sequential(nn.Linear(24, 8), nn.SyncBatchNorm(8), nn.ReLU()).eval()
    assert [each.norm for each in foldings(network, SHAPE)] == ["1"]


def tied() -> nn.Module:
    network = nn.Sequential(nn.Linear(24, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 24))
    network[3].weight = network[0].weight
    return network.append(nn.Linear(24, CLASSES)).eval()


def changed(how: Callable[[nn.Module], object]) -> nn.Module:
    network = nn.Sequential(
        nn.Linear(24, 40), nn.BatchNorm1d(40), nn.ReLU(), nn.Linear(40, CLASSES)
    ).eval()
    how(network[0])
    return network


@pytest.mark.parametrize(
    "network",
    [
        tied(),
        changed(lambda layer: l1_unstructured(layer, "weight", 0.3)),
        changed(weight_norm),
    ],
    ids=["tied", "pruned", "weight_norm"],
)
def test_a_weight_that_is_not_the_layers_own_is_left_where_it_is(network):
    """The gradient of a tied weight is a sum of two uses, and that of a computed one is not there.

    A message then names the weight of the layer, and nothing is raised before.
    """
    assert foldings(network, SHAPE) == ()
    assert without_norms(network, SHAPE) is network
    update = Client(network).share(spear.Batch(batch().inputs.float(), batch().labels))
    assert update.layers[0].name == "0"


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_batch_behind_norms_is_recovered(activation):
    network = normed(activation=activation, width=40).float()
    own = spear.Batch(batch().inputs.float(), batch().labels)
    client = spear.Client(network)
    update = client.share(own)
    found = spear.invert_network(network, update.gradients, SHAPE)
    assert found.status == "exact"
    apart = torch.cdist(found.inputs.double(), own.inputs.double()).amin(dim=0)
    assert float((apart / own.inputs.norm(dim=1)).max()) < 1e-4


def test_the_truth_is_that_of_the_folded_network():
    network = normed()
    client, own = spear.Client(network), batch()
    update = client.share(own)
    plain = Update(
        fold(network, foldings(network, SHAPE)), update.folded.gradients, update.loss, update.domain
    )
    for layer in (1, 2):
        true = truth_of(spear.Client(plain.network), own, layer, plain)
        for found in (truth_of(client, own, layer, update), truth_of(client, own, layer)):
            torch.testing.assert_close(found.activation_gradients, true.activation_gradients)
            torch.testing.assert_close(found.inputs, true.inputs)


def test_an_audit_folds_them():
    network = normed().float()
    update = spear.Client(network).share(spear.Batch(batch().inputs.float(), batch().labels))
    assert audit(network, update.gradients, "1", input_shape=SHAPE).verdict is Verdict.EXACT


def shared_by(network: nn.Module, b: int = 2) -> tuple[Update, spear.Batch]:
    inputs = torch.rand(b, *SHAPE, generator=torch.Generator().manual_seed(5)).double()
    data = spear.Batch(inputs, torch.tensor([0, 4, 2])[:b])
    return Client(network).share(data), data


def test_pre_activations_behind_a_layer_are_peeled_with_its_norm():
    update, data = shared_by(normed(depth=2, bias=True).double())
    downstream = Downstream.of(update.copied("cpu", torch.float64))
    expected = update.network(data.inputs)
    found = downstream.logits(downstream.pre_activations(data.inputs))
    torch.testing.assert_close(found, expected)


def test_a_layer_of_the_folded_network_is_found_in_it():
    """Such a layer is not among the modules of the network with its norms."""
    network = normed(depth=2, bias=True)
    network[-1] = nn.Linear(40, CLASSES, bias=False).double()
    update, data = shared_by(network)
    labels = CountedLabels(2).start(update, network(data.inputs), torch.Generator()).current()
    assert sorted(labels.tolist()) == sorted(data.labels.tolist())
    found = estimated_pre_activations(update, 1, data.inputs)
    torch.testing.assert_close(found, network[:3](data.inputs))


def test_analytic_inversion_goes_back_through_norms():
    update, data = shared_by(normed(depth=3), b=1)
    found = AnalyticInversion()(update)
    torch.testing.assert_close(found.inputs, data.inputs)
