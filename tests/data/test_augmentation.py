"""Soft labels: what clients make of their examples, and that every part of the flow takes them."""

import pytest
import torch
from torch import nn

from spear.baselines.gradient_matching.checks import check_labels
from spear.client.client import Client
from spear.client.defenses import DPSGD
from spear.client.local_training import FedAvg
from spear.data import Batch, Digits
from spear.data.augmentation import LabelSmoothing, Mixup, NoAugmentation, class_probabilities
from spear.errors import ConfigError, InvalidObservation
from spear.networks import fcnn

K = 10


def drawn(size: int, seed: int = 0) -> tuple[Batch, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    return Digits().batch(size, generator), generator


def test_no_augmentation_changes_nothing():
    batch, generator = drawn(3)
    state = generator.get_state()
    assert NoAugmentation()(batch, K, generator) is batch
    assert torch.equal(generator.get_state(), state)
    assert NoAugmentation().examples(5) == LabelSmoothing().examples(5) == 5


def test_a_smoothed_label_is_between_the_hard_one_and_the_uniform_one():
    batch, generator = drawn(4)
    smoothed = LabelSmoothing(0.3, 0.3)(batch, K, generator)
    expected = torch.full((4, K), 0.03)
    expected[range(4), batch.labels] = 0.73
    torch.testing.assert_close(smoothed.labels, expected)
    assert torch.equal(smoothed.inputs, batch.inputs)


def test_alpha_is_drawn_for_each_example_within_its_bounds():
    batch, generator = drawn(400)
    labels = LabelSmoothing(0.1, 0.5)(batch, K, generator).labels
    alphas = labels.min(dim=1).values * K
    assert 0.1 <= alphas.min() < 0.12
    assert 0.48 < alphas.max() <= 0.5001
    assert float(alphas.mean()) == pytest.approx(0.3, abs=0.02)


def test_a_mixture_has_the_weights_of_its_label():
    assert Mixup().examples(3) == 6
    batch, generator = drawn(6)
    mixed = Mixup()(batch, K, generator)
    assert mixed.inputs.shape == (3, 1, 8, 8)
    for i in range(3):
        first, second = batch.labels[i], batch.labels[i + 3]
        assert first != second
        weight = mixed.labels[i, first]
        torch.testing.assert_close(mixed.labels[i, second], 1 - weight)
        expected = weight * batch.inputs[i] + (1 - weight) * batch.inputs[i + 3]
        torch.testing.assert_close(mixed.inputs[i], expected)


@pytest.mark.parametrize("concentration", [0.4, 1.0, 5.0])
def test_weights_follow_the_beta_distribution(concentration):
    """Beta(c, c) has the mean 1/2 and the variance 1 / (4 (2 c + 1))."""
    b = 4000
    batch = Batch(torch.cat([torch.ones(b, 1), torch.zeros(b, 1)]), torch.zeros(2 * b).long())
    weights = Mixup(concentration)(batch, K, torch.Generator().manual_seed(0)).inputs
    assert float(weights.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(weights.var()) == pytest.approx(1 / (8 * concentration + 4), rel=0.06)


def test_the_generator_alone_decides():
    first, again = (Mixup()(*[drawn(6)[0], K, drawn(6)[1]]) for _ in range(2))
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.labels, again.labels)


def test_the_gradient_is_linear_in_the_label():
    """So that a soft label's gradient is the mixture of those of hard ones, of any defense-free
    client; one-hot probabilities are the class index."""
    batch, _ = drawn(2)
    client = Client(fcnn((1, 8, 8), K, width=12, depth=3).double())
    inputs = batch.inputs.double()
    a, b = (class_probabilities(torch.tensor(each), K) for each in ([1, 2], [3, 3]))
    one, other, both = (
        client.share(Batch(inputs, y)).gradients["1.weight"] for y in (a, b, 0.3 * a + 0.7 * b)
    )
    torch.testing.assert_close(both, 0.3 * one + 0.7 * other)
    hard = client.share(Batch(inputs, torch.tensor([1, 2]))).gradients["1.weight"]
    torch.testing.assert_close(one, hard)


@pytest.mark.parametrize("settings", [{"fedavg": FedAvg(2, 0.1, 2)}, {"defense": DPSGD(1.0, 0.0)}])
def test_local_training_and_defenses_take_soft_labels(settings):
    batch, _ = drawn(3)
    client = Client(fcnn((1, 8, 8), K, width=12, depth=3), **settings)
    soft = Batch(batch.inputs, class_probabilities(batch.labels, K).float())
    seeded = [torch.Generator().manual_seed(0) for _ in range(2)]
    first, second = (client.share(each, g) for each, g in zip((batch, soft), seeded, strict=True))
    for name, gradient in first.gradients.items():
        torch.testing.assert_close(second.gradients[name], gradient)


def test_given_labels_may_be_soft():
    labels = torch.full((2, K), 0.1)
    assert check_labels(labels, K) is labels
    for wrong in (labels[:, :3], labels * torch.nan):
        with pytest.raises(InvalidObservation, match="probabilities of the network's 10 classes"):
            check_labels(wrong, K)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LabelSmoothing(0.3, 0.2), "least is 0.3 and most 0.2"),
        (lambda: LabelSmoothing(0.0, 1.1), "most 1.1"),
        (lambda: Mixup(0.0), "concentration is 0.0; expected a finite number above 0"),
        (lambda: Mixup(float("nan")), "concentration is nan"),
    ],
)
def test_settings_without_a_meaning_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_the_mean_loss_of_soft_labels_is_that_of_the_client():
    """Class weights or sums would be another loss; the client's is `nn.CrossEntropyLoss()`."""
    loss = Client(nn.Identity()).loss
    logits = torch.randn(2, K, generator=torch.Generator().manual_seed(0))
    label = torch.rand(2, K).softmax(dim=1)
    expected = -(label * logits.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(loss(logits, label), expected)
