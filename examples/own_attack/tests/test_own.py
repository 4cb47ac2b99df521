"""Each class does what it says; bad input is refused in a sentence."""

import pytest
import torch
from torch import nn

from own_attack import LargestError, SingleInput, SquaredReLU, Stripes
from spear.errors import ConfigError, InvalidObservation
from spear.layers import Sparsity, linear_layers
from spear.networks import fcnn
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status
from spear.scoring import Matched, Truth


def observed(inputs: torch.Tensor) -> Observation:
    """The update of a linear layer by a batch."""
    torch.manual_seed(0)
    layer = nn.Linear(inputs.shape[1], 5)
    labels = torch.arange(len(inputs)) % 5
    nn.functional.cross_entropy(layer(inputs), labels).backward()
    return Observation(layer.weight, layer.bias, layer.weight.grad, layer.bias.grad)


def test_one_input_is_reconstructed_and_nothing_is_claimed():
    private = torch.randn(1, 30, generator=torch.Generator().manual_seed(1))
    found = SingleInput()(observed(private))
    assert found.status is Status.ESTIMATED
    torch.testing.assert_close(found.inputs, private.double(), atol=1e-6, rtol=0)


def test_two_inputs_are_refused():
    private = torch.randn(2, 30, generator=torch.Generator().manual_seed(1))
    with pytest.raises(InvalidObservation, match="has rank 2"):
        SingleInput()(observed(private))


def test_nothing_is_found_in_a_gradient_of_zeros():
    zeros = torch.zeros(5, 30)
    found = SingleInput()(Observation(zeros + 1, zeros[:, 0], zeros, zeros[:, 0]))
    assert (found.status, found.batch_size) == (Status.ZERO_GRADIENT, 0)


def test_the_metric_is_the_largest_error_of_a_pixel():
    data = Stripes(side=4, normalize=False)
    image = data.example(7)[0].reshape(1, -1)
    off = image.clone()
    off[0, 3] += 0.25
    truth = Truth(image, torch.zeros(0, 1), labels=torch.tensor([7]))
    matched = Matched(Reconstruction.estimate(off, seconds=0.0), truth, data)
    assert LargestError()(matched)["largest_error"] == pytest.approx(0.25)


def test_images_are_in_range_and_always_the_same():
    data = Stripes(side=8)
    images = torch.stack([data.example(i)[0] for i in range(len(data))])
    assert images.shape == (1000, 1, 8, 8)
    assert 0 <= images.min() <= images.max() <= 1
    assert len(images.flatten(1).unique(dim=0)) == 1000
    assert torch.equal(images[7], Stripes(side=8).example(7)[0])
    assert data.labels().bincount().tolist() == [100] * 10


def test_no_image_has_no_pixels():
    with pytest.raises(ConfigError, match="side is 0"):
        Stripes(side=0)


def test_the_library_sees_the_relu_in_the_activation():
    network = fcnn((1, 8, 8), 10, width=20, depth=3, activation=SquaredReLU())
    assert torch.equal(SquaredReLU()(torch.tensor([-2.0, 3.0])), torch.tensor([0.0, 9.0]))
    sparsity = [layer.sparsity for layer in linear_layers(network, (1, 8, 8))]
    assert sparsity == [{Sparsity.GRADIENT}, {Sparsity.GRADIENT}, set()]
