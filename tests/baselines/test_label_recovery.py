"""Label recovery: the mathematics in float64, then clients' float32, then what is refused."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spear.baselines.gradient_matching.attack import GradientMatching
from spear.baselines.gradient_matching.labels import GivenLabels
from spear.baselines.gradient_matching.objectives import CosineDistance
from spear.baselines.gradient_matching.problem import Problem
from spear.baselines.gradient_matching.regularisers import FeatureDistance
from spear.baselines.label_recovery.analytic import AnalyticInversion
from spear.baselines.label_recovery.attack import LabelRecovery, SignRecovery
from spear.baselines.label_recovery.lambda_search import (
    DifferentialEvolution,
    DualAnnealing,
    GridSearch,
)
from spear.baselines.label_recovery.targets import RecoveredFeatureDistance, RecoveredLabels
from spear.baselines.label_recovery.variance import VarianceLoss
from spear.client.client import Client
from spear.data import Batch
from spear.data.augmentation import class_probabilities
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation, LayerError, VictimError
from spear.inversion import SpearInput, SpearIrls
from spear.inversion.labels.batch import BatchLabels, labels_of
from spear.inversion.labels.last_layer import LastLayer
from spear.layers import LAST, linear_layers
from spear.networks import fcnn, lenet
from spear.probing import layer_inputs
from spear.reconstruction import Status
from spear.scoring import match, truth_of
from spear.update import Update

SHAPE, K = (3, 16, 16), 10
DOMAIN = Domain.unbounded(SHAPE)
KINDS = ("hard", "smoothed", "mixed")


def label(kind: str, k: int, n_classes: int = K) -> Tensor:
    """Soft label number k of a kind (1 x n_classes, float64)."""
    first, second = (class_probabilities(torch.tensor([c % n_classes]), n_classes) for c in (k, 7))
    weight = 0.55 + 0.4 * ((0.618 * k) % 1)
    if kind == "smoothed":
        return weight * first + (1 - weight) / n_classes
    return first if kind == "hard" else weight * first + (1 - weight) * second


def network(name: str, n_classes: int = K, bias: bool = False) -> nn.Sequential:
    if name == "fcnn":
        return fcnn(SHAPE, n_classes, width=40, depth=4, bias=bias)
    if name == "lenet":
        return lenet(SHAPE, n_classes, bias=bias)
    return lenet(SHAPE, n_classes, activation="relu", half_width=None, bias=bias)


NETWORKS = ("fcnn", "lenet", "lenet with ReLUs")


def shared(net: nn.Module, labels: Tensor, seed: int = 0) -> tuple[Update, Batch]:
    """A client's update for random inputs, in the network's precision, and its batch."""
    like = next(net.parameters())
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(len(labels), *SHAPE, generator=generator, dtype=torch.float64).to(like)
    soft = labels.to(like) if labels.is_floating_point() else labels
    batch = Batch(inputs, soft)
    return Client(net).share(batch), batch


def l1(found: Tensor | None, true: Tensor) -> float:
    assert found is not None
    return float((found.double() - true.double()).abs().sum(dim=1).max())


def feature(net: nn.Module, batch: Batch) -> Tensor:
    with torch.no_grad():
        return layer_inputs(net, linear_layers(net, SHAPE)[-1].module, batch.inputs).double()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_is_zero_at_the_true_lambda_and_the_label_there_is_right(name, kind):
    net = network(name).double()
    update, batch = shared(net, label(kind, 3))
    layer = LastLayer.of(update)
    single = layer.single(None)
    x = feature(net, batch)[0]
    true = float(x @ single.direction)
    assert abs(true) == pytest.approx(float(x.norm()))
    loss = VarianceLoss(layer, single, 2)
    assert loss.at(true) < 1e-24
    assert l1(loss.label(true)[None], batch.labels) < 1e-10


def test_every_lambda_gives_a_label_of_sum_1_and_only_the_factor_keeps_the_loss_from_vanishing():
    layer = LastLayer.of(shared(network("fcnn").double(), label("mixed", 1))[0])
    single = layer.single(None)
    loss = VarianceLoss(layer, single, 2)
    far = loss.unit * np.array([-1e6, -3.0, 0.1, 40.0, 1e6])
    np.testing.assert_allclose(loss.labels(far).sum(axis=1), 1.0, atol=1e-9)
    assert loss(far)[-1] > 1e-3
    assert loss(far)[-1] * (loss.length / far[-1]) ** 2 < 1e-12  # as the authors have it
    assert loss.evaluations == 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.few(5)
def test_label_and_feature_of_a_client_in_float32(name, kind, bias):
    net = network(name, bias=bias)
    for k in range(3):
        update, batch = shared(net, label(kind, k), seed=k)
        attack = LabelRecovery()
        found = attack(attack.observe(update))
        assert l1(found.labels, batch.labels) < 1e-4
        true = feature(net, batch)
        assert float((found.inputs - true).norm() / true.norm()) < 1e-3
        truth = truth_of(Client(net), batch, attack.layer, update)
        torch.testing.assert_close(
            found.activation_gradients, truth.activation_gradients.double(), atol=1e-5, rtol=1e-3
        )
        assert found.status is Status.ESTIMATED
        assert ("lambda" in found.details) != bias  # no search where a bias says it


def test_two_hundred_classes_and_a_frozen_bias():
    net = network("lenet", 200, bias=True)
    linear_layers(net, SHAPE)[-1].module.bias.requires_grad_(False)
    update, batch = shared(net, label("mixed", 5, 200))
    layer = LastLayer.of(update)
    assert layer.bias is not None
    assert layer.bias_gradient is None
    assert l1(LabelRecovery()(layer).labels, batch.labels) < 1e-4


def test_a_small_share_of_the_second_class_is_found():
    """The loss has a kink beside its zero, nearer the smaller the share is."""
    net = network("lenet")
    for share in (0.1, 0.01, 0.001):
        soft = class_probabilities(torch.tensor([2]), K) * (1 - share)
        soft[0, 7] = share
        for seed in range(4):
            update, batch = shared(net, soft, seed=seed)
            assert l1(LabelRecovery()(LastLayer.of(update)).labels, batch.labels) < 1e-3


@pytest.mark.parametrize("search", [DifferentialEvolution(100, 30), DualAnnealing(300)])
def test_global_optimisers_find_the_grids_minimum(search):
    update, batch = shared(network("lenet"), label("smoothed", 2))
    layer = LastLayer.of(update)
    grid = LabelRecovery(lambda_search=GridSearch())(layer)
    other = LabelRecovery(lambda_search=search)(layer, seed=1)
    assert other.details["lambda"] == pytest.approx(grid.details["lambda"], rel=1e-6)
    assert l1(other.labels, batch.labels) < 1e-4


def test_the_smoothed_label_needs_one_entry_that_differs_and_the_mixed_one_two():
    net = network("lenet")
    for kind, unequal, right in (("smoothed", 1, True), ("mixed", 1, False)):
        update, batch = shared(net, label(kind, 3))
        found = LabelRecovery(unequal)(LastLayer.of(update))
        assert (l1(found.labels, batch.labels) < 1e-3) == right


@pytest.mark.parametrize("bias", [False, True])
def test_signs_give_hard_labels_and_are_wrong_for_soft_ones(bias):
    for name in NETWORKS:
        net = network(name, bias=bias)
        for kind in KINDS:
            update, batch = shared(net, label(kind, 3))
            found = SignRecovery()(LastLayer.of(update))
            error = l1(found.labels, batch.labels)
            assert error == 0 if kind == "hard" else error > 0.04
            cosine = torch.cosine_similarity(found.inputs, feature(net, batch))
            assert float(cosine) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_analytic_inversion_goes_down_to_the_input(bias, kind):
    net = fcnn(SHAPE, K, width=40, depth=5, bias=bias).double()
    update, batch = shared(net, label(kind, 3))
    attack = AnalyticInversion()
    attack.check(net, DOMAIN)
    found = attack(attack.observe(update))
    torch.testing.assert_close(found.inputs, batch.inputs.flatten(1), atol=1e-6, rtol=1e-6)
    truth = truth_of(Client(net), batch, 1, update)
    torch.testing.assert_close(
        found.activation_gradients, truth.activation_gradients, atol=1e-8, rtol=1e-6
    )
    assert l1(found.labels, batch.labels) < 1e-6


def dirichlet(b: int, n_classes: int = K) -> Tensor:
    """Any labels at all, two of them equal."""
    generator = torch.Generator().manual_seed(b)
    labels = torch.rand(b, n_classes, generator=generator, dtype=torch.float64).log().neg()
    labels[-1] = labels[0]
    return labels / labels.sum(dim=1, keepdim=True)


@pytest.mark.parametrize("bias", [False, True])
def test_the_labels_of_a_batch_follow_from_what_the_last_layer_receives(bias):
    net = fcnn(SHAPE, K, width=30, depth=3, bias=bias).double()
    update, batch = shared(net, dirichlet(25))
    found, condition = labels_of(LastLayer.of(update), feature(net, batch))
    assert l1(found, batch.labels) < 1e-9
    assert condition > 1


@pytest.mark.parametrize(
    ("inputs", "b"), [(SpearIrls(1), 12), (SpearIrls(2), 8), (SpearInput(3), 3)]
)
def test_spear_gives_every_label_of_a_batch(inputs, b):
    net = fcnn(SHAPE, K, width=150, depth=3)
    update, batch = shared(net, dirichlet(b))
    attack = BatchLabels(inputs)
    attack.check(net, DOMAIN)
    found = attack(attack.observe(update))
    truth = truth_of(Client(net), batch, attack.layer, update)
    order = match(found.inputs, truth.inputs)
    assert l1(found.labels[order], batch.labels) < 1e-4


def test_a_batch_of_which_nothing_is_seen_has_no_labels():
    net = fcnn(SHAPE, K, width=20, depth=2)
    update, _ = shared(net, torch.tensor([1, 2]))
    zeros = {name: torch.zeros_like(each) for name, each in update.gradients.items()}
    nothing = Update(net, zeros, update.loss, update.domain)
    assert BatchLabels(SpearIrls())(nothing).status is Status.ZERO_GRADIENT
    assert LabelRecovery()(LastLayer.of(nothing)).status is Status.ZERO_GRADIENT
    assert SignRecovery()(LastLayer.of(nothing)).status is Status.ZERO_GRADIENT
    assert AnalyticInversion()(nothing).status is Status.ZERO_GRADIENT
    with pytest.raises(InvalidObservation, match="zero, so that no label"):
        RecoveredFeatureDistance().prepare(nothing)


def test_gradient_matching_without_any_label_has_its_minimum_at_the_truth():
    net = network("lenet")
    update, batch = shared(net, label("mixed", 3))
    assert update.labels is None
    classes = net(batch.inputs)
    targets = RecoveredLabels().start(update, classes, torch.Generator())
    assert targets.b == 1
    assert l1(targets.current(), batch.labels) < 1e-4
    problem = Problem(
        update.copied("cpu"), CosineDistance(), {"feature": RecoveredFeatureDistance()}
    )
    at_truth = problem(batch.inputs, targets.current())
    assert float(at_truth.total.detach()) < 1e-5
    elsewhere = problem(batch.inputs.flip(-1), targets.current())
    assert float(elsewhere.terms["feature"].detach()) > 1e-4


def test_gradient_matching_runs_without_labels_as_with_the_true_soft_one():
    net = network("lenet")
    update, batch = shared(net, label("smoothed", 3))
    found = [
        GradientMatching(regularisers={}, labels=labels, iterations=20)(known)
        for labels, known in (
            (RecoveredLabels(), update),
            (GivenLabels(), update.with_labels(batch.labels)),
        )
    ]
    assert found[0].details["distance"] == pytest.approx(found[1].details["distance"], rel=0.05)
    assert l1(found[0].labels, batch.labels) < 1e-4
    assert found[1].labels is None
    assert not GradientMatching(
        regularisers={"feature": RecoveredFeatureDistance()}, labels=RecoveredLabels()
    ).given_labels


def test_the_authors_feature_term_takes_the_most_probable_class_of_a_soft_label():
    net = network("lenet", bias=True)
    update, _ = shared(net, label("hard", 3))
    soft, hard = label("smoothed", 3).float(), torch.tensor([3])
    terms = [FeatureDistance().prepare(update.with_labels(each)) for each in (soft, hard)]
    evaluation = Problem(update.copied("cpu"), CosineDistance(), {})._victim(
        torch.zeros(1, *SHAPE), hard
    )
    first, second = (float(term(evaluation)) for term in terms)
    assert first == second


@pytest.mark.parametrize("b", [2, 3, 15])
@pytest.mark.parametrize("attack", [LabelRecovery(), SignRecovery()])
def test_a_batch_is_refused(attack, b):
    update, _ = shared(network("lenet"), dirichlet(b))
    with pytest.raises(InvalidObservation, match=rf"rank {min(b, K) - (b > 9)}, .*attack=spear_l"):
        attack(LastLayer.of(update))


@pytest.mark.parametrize("n_classes", [K, 200])
def test_noise_moves_the_label_by_little(n_classes):
    """The singular vectors average it over all inputs of the layer."""
    update, batch = shared(network("lenet", n_classes), label("smoothed", 3, n_classes))
    name = f"{update.layer(LAST).name}.weight"
    clean = update.gradients[name]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    update.gradients[name] = clean + 1e-5 * noise
    for attack in (LabelRecovery(), LabelRecovery(rank=1)):
        assert l1(attack(LastLayer.of(update)).labels, batch.labels) < 1e-6 * n_classes + 1e-4
    update.gradients[name] = noise
    with pytest.raises(InvalidObservation, match=r"full rank, by a batch or by noise.*rank to 1"):
        LabelRecovery()(LastLayer.of(update))


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(768, K), nn.Softmax(dim=1)), "ends with a softmax"),
        (nn.Sequential(nn.Flatten()), "ends with no linear layer"),
    ],
)
def test_a_network_without_a_final_linear_layer_is_refused(net, message):
    for attack in (LabelRecovery(), SignRecovery(), BatchLabels(SpearIrls()), AnalyticInversion()):
        with pytest.raises(LayerError, match=message):
            attack.check(net, DOMAIN)


def test_analytic_inversion_refuses_other_than_linear_layers_and_relus():
    with pytest.raises(LayerError, match=r"has a sigmoid before its first linear layer \(7\)"):
        AnalyticInversion().check(network("lenet"), DOMAIN)
    net = nn.Sequential(nn.Flatten(), nn.Linear(768, 5), nn.Sigmoid(), nn.Linear(5, K))
    with pytest.raises(LayerError, match=r"has a sigmoid between its linear layers 1 and 3"):
        AnalyticInversion().check(net, DOMAIN)


def test_what_the_last_layer_lacks_is_told():
    net = network("fcnn")
    update, _ = shared(net, label("hard", 1))
    name = f"{linear_layers(net, SHAPE)[-1].name}.weight"
    others = {each: g for each, g in update.gradients.items() if each != name}
    domain = Domain.unbounded(SHAPE)
    cross_entropy = nn.CrossEntropyLoss()
    with pytest.raises(LayerError, match=r"weight of the last layer .* is frozen"):
        LastLayer.of(Update(net, others, cross_entropy, domain))
    for wrong, message in (
        (torch.zeros(2, 3), r"shape \(2, 3\); expected"),
        (torch.full_like(update.gradients[name], torch.nan), "NaN or infinite"),
    ):
        with pytest.raises(InvalidObservation, match=message):
            LastLayer.of(Update(net, {**others, name: wrong}, cross_entropy, domain))
    for loss in (nn.MSELoss(), nn.CrossEntropyLoss(reduction="sum"), weighted()):
        with pytest.raises(VictimError, match="mean cross-entropy"):
            LastLayer.of(Update(net, update.gradients, loss, domain))


def weighted() -> nn.Module:
    return nn.CrossEntropyLoss(weight=torch.ones(K))


def test_too_few_classes_and_too_large_a_batch_are_told():
    update, _ = shared(network("fcnn", 3), torch.tensor([1]))
    with pytest.raises(InvalidObservation, match=r"3 classes, but 2 entries .* at least 4 classes"):
        LabelRecovery()(LastLayer.of(update))
    update, batch = shared(fcnn(SHAPE, K, width=8, depth=2), dirichlet(10))
    with pytest.raises(InvalidObservation, match="batch has 10 inputs but the last layer only 9"):
        labels_of(LastLayer.of(update), feature(update.network, batch))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LabelRecovery(0), "unequal is 0"),
        (lambda: LabelRecovery(rank=2), "rank is 2, .* single sample; expected 1"),
        (lambda: GridSearch(points=2), "points is 2; expected at least 3"),
        (lambda: GridSearch(step=0.0), "step is 0.0"),
        (lambda: DifferentialEvolution(4), "population is 4 and generations 40"),
        (lambda: DualAnnealing(0), "iterations is 0"),
        (lambda: BatchLabels(GradientMatching()), "attacks no linear layer"),
    ],
)
def test_settings_without_a_meaning_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
