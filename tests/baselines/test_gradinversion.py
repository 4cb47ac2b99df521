"""GradInversion: its terms by hand, what a group does, and small reconstructions."""

import pytest
import torch
from support.generators import SHAPE, UNIT, attacked, update_of
from torch import nn

from spear.baselines.gradient_matching import JointLabels
from spear.baselines.gradient_matching.gradients import Dense
from spear.baselines.gradient_matching.victim import Evaluation
from spear.baselines.gradinversion import (
    BatchNormDistance,
    GradInversion,
    ImageNorm,
    LayerwiseDistance,
)
from spear.baselines.gradinversion.attack import _Group
from spear.baselines.label_recovery import CountedLabels
from spear.client import Client
from spear.data import Batch
from spear.errors import ConfigError
from spear.reconstruction import Status


def test_the_distance_is_a_sum_of_lengths_layer_by_layer():
    target = {"a": torch.zeros(2), "b": torch.ones(1, 2)}
    there = {"a": Dense(torch.tensor([3.0, 4.0])), "b": Dense(torch.tensor([[1.0, 3.0]]))}
    assert LayerwiseDistance(0.5).prepare(target)(there).item() == pytest.approx(0.5 * (5 + 2))
    same = {name: Dense(value.requires_grad_()) for name, value in target.items()}
    distance = LayerwiseDistance().prepare({n: v.detach() for n, v in target.items()})(same)
    gradients = torch.autograd.grad(distance, [each.value for each in same.values()])
    assert all(not each.any() for each in gradients)  # 0, not NaN, at the shared gradients


def test_the_norm_is_that_of_the_whole_batch():
    images = torch.ones(4, 1, 2, 2)
    term = ImageNorm(0.5).prepare(update_of(torch.rand(1, *SHAPE)))
    assert term(Evaluation(images, {}, {})).item() == pytest.approx(0.5 * 4)


def normalised(momentum_batches=20):
    """A network with batch normalisation whose statistics are those of many images."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3, momentum=None), nn.ReLU(),
        nn.Flatten(), nn.Linear(192, 10),
    )  # fmt: skip
    for _ in range(momentum_batches):
        network(torch.rand(16, *SHAPE))
    return network.eval()


def test_statistics_are_compared_with_the_stored_ones():
    network = normalised()
    images = torch.rand(5, *SHAPE)
    update = Client(network, domain=UNIT).share(Batch(images, torch.arange(5)))
    with torch.no_grad():
        seen = network[0](images)
    mean, variance = seen.mean(dim=(0, 2, 3)), seen.var(dim=(0, 2, 3), correction=0)
    stored = network[1]
    by_hand = (mean - stored.running_mean).norm() + (variance - stored.running_var).norm()
    term = BatchNormDistance(2.0).prepare(update.copied("cpu"))
    assert term(Evaluation(images, {}, {})).item() == pytest.approx(2 * float(by_hand), rel=1e-5)
    assert term(Evaluation(images + 3, {}, {})) > term(Evaluation(images, {}, {}))


def test_without_batch_normalisation_the_term_is_zero():
    term = BatchNormDistance().prepare(update_of(torch.rand(1, *SHAPE)))
    assert term(Evaluation(torch.rand(1, *SHAPE), {}, {})).item() == 0


@pytest.mark.parametrize("group", [0.0, 100.0])
def test_consistency_adds_unit_vectors_to_the_mean(group):
    """d/dx |x - mean|_2 of each candidate, the mean held fixed."""
    update = update_of(torch.rand(2, *SHAPE)).copied("cpu")
    made = _Group(GradInversion(seeds=3, group=group, noise=0), update, 0)
    alone = _Group(GradInversion(seeds=3, group=0, noise=0), update, 0)
    candidates = made._candidates
    (with_group,) = torch.autograd.grad(made._evaluate().total, candidates)
    (without,) = torch.autograd.grad(alone._evaluate().total, alone._candidates)
    apart = candidates.detach() - candidates.detach().mean(dim=0)
    units = apart / apart.flatten(1).norm(dim=1).view(-1, 1, 1, 1, 1)
    torch.testing.assert_close(with_group - without, group * units, atol=1e-4, rtol=1e-4)


def test_a_group_ends_nearer_to_its_mean():
    update = update_of(torch.rand(1, *SHAPE)).copied("cpu")
    spread = {}
    for group in (0.0, 1.0):
        attack = GradInversion(seeds=3, group=group, noise=0, iterations=80)
        made = _Group(attack, update, 0)
        start = made.start()

        def closure(start=start):
            value = start.evaluate()
            (variable,) = start.variables
            (variable.grad,) = torch.autograd.grad(value.total, [variable])
            return value.total.detach()

        for iteration in range(80):
            start.step(iteration, closure)
        spread[group] = float(made._candidates.detach().std(dim=0).mean())
    assert spread[1.0] < 0.5 * spread[0.0]


@pytest.mark.parametrize("seeds", [1, 3])
def test_an_image_is_found(seeds):
    private = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    attack = GradInversion(objective=LayerwiseDistance(1.0), seeds=seeds, iterations=300)
    found = attacked(attack, update_of(private))
    assert found.status is Status.ESTIMATED
    error = (found.inputs.view_as(private) - private).square().mean()
    assert error < 0.25 * (private - private.mean()).square().mean()
    assert 0 <= found.inputs.min() <= found.inputs.max() <= 1
    assert found.details["seed"] in range(seeds)


def test_batch_normalisation_is_attacked_in_evaluation_mode():
    images = torch.rand(2, *SHAPE)
    labels = torch.arange(2)
    update = Client(normalised(), domain=UNIT).share(Batch(images, labels)).with_labels(labels)
    found = attacked(GradInversion(seeds=2, iterations=10), update)
    assert found.inputs.shape == (2, 64)


def test_labels_that_it_counts_are_returned():
    update = update_of(torch.rand(2, *SHAPE), labels=torch.tensor([4, 1]))
    found = attacked(GradInversion(labels=CountedLabels(2), seeds=1, iterations=3), update)
    assert found.labels.argmax(dim=1).tolist() == [1, 4]


def test_the_same_seed_gives_the_same_images():
    update = update_of(torch.rand(2, *SHAPE))
    attack = GradInversion(seeds=2, iterations=5)
    assert torch.equal(attacked(attack, update).inputs, attacked(attack, update).inputs)
    assert not torch.equal(attacked(attack, update).inputs, attacked(attack, update, 1).inputs)


def test_out_of_time_it_returns_the_best_so_far():
    attack = GradInversion(seeds=2, iterations=10**6, time_limit=0.05)
    assert attacked(attack, update_of(torch.rand(2, *SHAPE))).status is Status.TIMED_OUT


def test_labels_that_would_be_optimised_are_refused():
    with pytest.raises(ConfigError, match="which GradInversion does not; expected GivenLabels"):
        attacked(GradInversion(labels=JointLabels(1)), update_of(torch.rand(1, *SHAPE)))


def test_settings_without_a_meaning_are_refused():
    for change, message in (
        ({"seeds": 0}, "seeds is 0; expected at least 1"),
        ({"group": -0.1}, "group is -0.1; expected a finite number of 0 or more"),
        ({"noise": -0.1}, "noise is -0.1; expected a finite number of 0 or more"),
    ):
        with pytest.raises(ConfigError, match=message):
            GradInversion(**change)
    with pytest.raises(ConfigError, match="weight is 0; expected more than 0"):
        LayerwiseDistance(0)
