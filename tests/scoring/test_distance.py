"""The share of a batch within a distance, by hand."""

import pytest
import torch

from spear.data import Digits
from spear.errors import ConfigError
from spear.reconstruction import Reconstruction
from spear.scoring import Matched, Truth, WithinDistance


@pytest.mark.parametrize("normalize", [True, False])
def test_distances_are_those_of_images_in_0_1(normalize):
    dataset = Digits(normalize=normalize)
    batch = dataset.collected(range(4))
    true = batch.inputs.flatten(1)
    images = dataset.denormalized(true).flatten(1)
    step = torch.zeros(64)
    step[5] = 1.0
    moved = torch.stack([images[0], images[1] + 0.009 * step, images[2] + 0.011 * step])
    found = dataset.normalized(moved.reshape(-1, *dataset.input_shape)).flatten(1)
    truth = Truth(true, torch.zeros(0, 4), batch.labels)
    matched = Matched(Reconstruction.estimate(found.double(), 0.0), truth, dataset)
    assert WithinDistance()(matched) == {"within": 0.5}  # the fourth is missing
    assert WithinDistance(0.02)(matched) == {"within": 0.75}


def test_a_distance_of_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"^distance is 0; expected more than 0\.$"):
        WithinDistance(0)
