"""Labels of a batch as counts of classes: exact with the right probabilities, signs for b = 1."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spear.baselines.label_recovery import CountedLabels, SignRecovery
from spear.baselines.label_recovery.counted import counted
from spear.client import Client
from spear.data import Batch
from spear.domain import Domain
from spear.errors import ConfigError
from spear.networks import fcnn, lenet

SHAPE = (3, 8, 8)
UNIT = Domain(SHAPE, torch.tensor(0.0), torch.tensor(1.0))


def update_of(labels, network, seed=0):
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(len(labels), *SHAPE, generator=random)
    return Client(network, domain=UNIT).share(Batch(images, torch.tensor(labels)))


def recovered(update, b):
    with torch.no_grad():
        outputs = update.network(torch.zeros(1, *SHAPE))
    targets = CountedLabels(b).start(update, outputs, torch.Generator())
    assert targets.b == b
    assert not targets.variables
    return targets.current().tolist()


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=12),
    st.lists(st.floats(-3, 3), min_size=7, max_size=7),
)
def test_with_the_right_probabilities_any_labels_are_counted(labels, logits):
    probabilities = torch.tensor(logits, dtype=torch.float64).softmax(dim=0)
    counts = torch.bincount(torch.tensor(labels), minlength=7)
    entries = probabilities - counts / len(labels)
    assert torch.equal(counted(probabilities, entries, len(labels)), counts)


def test_a_negative_entry_is_a_label_whatever_the_probabilities():
    wrong = torch.tensor([0.98, 0.01, 0.01])
    entries = torch.tensor([0.2, -0.1, -0.1])
    assert counted(wrong, entries, 2).tolist() == [0, 1, 1]


def test_of_too_many_negative_entries_the_least_stay():
    entries = torch.tensor([-0.5, -0.3, -1e-6, 0.8])
    assert counted(torch.full((4,), 0.25), entries, 2).tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("label", range(4))
def test_of_one_image_they_are_the_signs(bias, label):
    update = update_of([label], lenet(SHAPE, 10, bias=bias, seed=label))
    found = SignRecovery().recover(SignRecovery().observe(update))
    assert recovered(update, 1) == [int(found.label.argmax())] == [label]


@pytest.mark.parametrize("network", [lenet(SHAPE, 10), lenet(SHAPE, 10, bias=False),
                                     fcnn(SHAPE, 10, width=40, depth=3)])  # fmt: skip
@pytest.mark.parametrize("labels", [[3, 3], [0, 1, 1, 9], [2, 2, 2, 4, 5, 5, 7, 8]])
def test_labels_of_batches_some_twice(network, labels):
    assert recovered(update_of(labels, network), len(labels)) == labels


def test_a_batch_without_images_is_refused():
    with pytest.raises(ConfigError, match="batch_size is 0; expected at least 1"):
        CountedLabels(0)
