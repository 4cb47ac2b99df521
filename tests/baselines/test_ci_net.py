"""CI-Net: the generator is its specification, real pictures are found, bad input is refused."""

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from spear.attack import Progress
from spear.baselines.ci_net.attack import CINet
from spear.baselines.ci_net.generator import LATENT, ImageGenerator, authors_width, n_parameters
from spear.baselines.gradient_matching.labels import JointLabels
from spear.baselines.gradient_matching.optimisers import Adam
from spear.client.client import Client
from spear.data import Batch, Dataset, Digits, Faces
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation, LayerError, VictimError
from spear.inversion import SpearIrls
from spear.layers import linear_layers
from spear.networks import fcnn
from spear.reconstruction import Status
from spear.scoring import Scorer, truth_of
from spear.update import Update


def small(b: int = 2) -> Update:
    """A problem of milliseconds: grey pictures of 4 x 4 pixels."""
    generator = torch.Generator().manual_seed(0)
    batch = Batch(torch.randn(b, 1, 4, 4, generator=generator), torch.arange(b))
    domain = Domain((1, 4, 4), torch.tensor(-2.0), torch.tensor(3.0))
    update = Client(fcnn((1, 4, 4), 5, width=20, depth=2), domain=domain).share(batch)
    return update.with_labels(batch.labels)


# The generator


@pytest.mark.parametrize(
    ("width", "parameters"), [(32, 140_227), (64, 427_907), (128, 1_445_635), (256, 5_250_563)]
)
def test_the_generator_has_as_many_parameters_as_the_authors(width: int, parameters: int) -> None:
    assert n_parameters(width) == parameters
    if width < 256:
        generator = ImageGenerator(width, (3, 32, 32))
        assert sum(each.numel() for each in generator.parameters()) == parameters


def test_the_width_is_the_first_with_more_parameters_than_four_times_the_pixels() -> None:
    known = {(16, 32): 32, (20, 32): 32, (4, 256): 128, (20, 256): 256}
    for (b, side), width in known.items():
        assert authors_width(b, side, side) == width
    assert authors_width(1, 140_226 // 4, 1) == 32
    assert authors_width(1, 140_228 // 4, 1) == 64


@pytest.mark.parametrize(("side", "maps"), [(4, 8), (8, 8), (32, 8), (64, 4), (128, 2), (256, 2)])
def test_large_feature_maps_are_fewer(side: int, maps: int) -> None:
    generator = ImageGenerator(8, (3, side, side)).eval()
    colours = [each for each in generator.modules() if isinstance(each, nn.Conv2d)][-1]
    assert (colours.in_channels, colours.out_channels, colours.kernel_size) == (maps, 3, (1, 1))
    with torch.no_grad():
        assert generator(torch.randn(1, LATENT)).shape == (1, 3, side, side)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 5, 9), (1, 1, 1)])
def test_pictures_of_any_shape_are_cut_from_larger_ones(shape: tuple[int, ...]) -> None:
    pictures = ImageGenerator(4, shape)(torch.randn(3, LATENT))
    assert pictures.shape == (3, *shape)
    assert pictures.abs().max() < 1


def test_convolutions_have_the_spectral_norm_one() -> None:
    torch.manual_seed(0)
    generator = ImageGenerator(8, (3, 8, 8))
    generator(torch.randn(2, LATENT))
    convolutions = [m for m in generator.modules() if isinstance(m, nn.Conv2d)][:-1]
    assert len(convolutions) == 4
    for each in convolutions:
        norm = torch.linalg.matrix_norm(each.weight.detach().flatten(1), ord=2)
        assert float(norm) == pytest.approx(1.0, abs=0.02)


# The attack


def attacked(dataset: Dataset, b: int, attack: CINet, activation: str) -> float:
    """PSNR in dB of the attack on the paper's network with an activation."""
    batch = dataset.batch(b, torch.Generator().manual_seed(0))
    network = fcnn(dataset.input_shape, dataset.n_classes, activation=activation)
    client = Client(network, domain=dataset.domain)
    update = client.share(batch).with_labels(batch.labels)
    found = attack(attack.observe(update))
    assert found.status is Status.ESTIMATED
    return Scorer(dataset)(found, truth_of(client, batch, None, update))["psnr"]


@pytest.mark.parametrize(
    ("dataset", "activation", "least"),
    [
        (Digits(), "relu", 27.0),
        (Digits(), "sigmoid", 29.0),
        (Digits(normalize=False), "relu", 27.0),
    ],
)
@pytest.mark.few(1)
def test_a_picture_is_found(dataset: Dataset, activation: str, least: float) -> None:
    attack = CINet(iterations=100)
    assert attacked(dataset, 1, attack, activation) > least


@pytest.mark.slow
def test_larger_batches_are_found_from_a_sigmoid_network() -> None:
    assert attacked(Faces(), 2, CINet(iterations=200), "sigmoid") > 30.0


def test_labels_are_used_only_where_they_are_given() -> None:
    attack, update = CINet(width=4, iterations=2), small()
    assert attack.given_labels
    with pytest.raises(InvalidObservation, match="labels are not known"):
        attack(dataclasses.replace(update, labels=None))
    joint = CINet(width=4, labels=JointLabels(2), iterations=2)
    assert not joint.given_labels
    without, with_labels = (
        joint(dataclasses.replace(update, labels=labels)).inputs
        for labels in (None, torch.tensor([4, 4]))
    )
    assert torch.equal(without, with_labels)


def test_pictures_are_in_the_units_of_the_network() -> None:
    """A value v of the generator is the pixel v: 0 is the least that there is, 1 the greatest."""
    update, first = small(), CINet(width=4, iterations=1)
    pixels, scaled = (
        first(dataclasses.replace(update, domain=Domain((1, 4, 4), low, high))).inputs
        for low, high in torch.tensor([[0.0, 1.0], [-2.0, 3.0]])
    )
    assert -1.0 < pixels.min() < 0.0 < pixels.max() < 1.0
    torch.testing.assert_close(scaled, 5.0 * pixels - 2.0)


def test_the_lowest_objective_decides_not_the_last() -> None:
    wild = CINet(width=4, iterations=5, optimiser=Adam(1e3))
    first = CINet(width=4, iterations=1, optimiser=Adam(1e3))
    found, begun = (attack(small()) for attack in (wild, first))
    assert found.details["objective"] <= begun.details["objective"]
    assert found.details["iterations"] == 5


def test_the_same_seed_gives_the_same_bits_and_nothing_else_changes() -> None:
    attack, update = CINet(width=4, iterations=3), small()
    state = torch.random.get_rng_state()
    before = [each.clone() for each in update.network.parameters()]
    first, again, other = (attack(update, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs, other.inputs)
    assert torch.equal(state, torch.random.get_rng_state())
    for parameter, value in zip(update.network.parameters(), before, strict=True):
        assert torch.equal(parameter, value)


def test_interrupted_or_out_of_time_it_returns_the_best_so_far() -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    found = CINet(width=4, iterations=100)(small(), progress=interrupt)
    assert (found.status, found.details["iterations"]) == (Status.INTERRUPTED, 10)
    late = CINet(width=4, iterations=100, time_limit=1e-9)(small())
    assert (late.status, late.details["iterations"]) == (Status.TIMED_OUT, 1)
    assert late.inputs.shape == found.inputs.shape == (2, 16)


# What is refused


def test_what_it_cannot_attack_is_refused() -> None:
    attack, update = CINet(width=4), small()
    rows = dataclasses.replace(update, domain=Domain.unbounded((16,)))
    with pytest.raises(InvalidObservation, match=r"shape \(16,\), but CI-Net generates images"):
        attack.observe(rows)
    unbounded = dataclasses.replace(update, domain=Domain.unbounded((1, 4, 4)))
    with pytest.raises(InvalidObservation, match="has no bounds"):
        attack.observe(unbounded)
    with pytest.raises(VictimError, match="training mode"):
        attack.check(nn.Sequential(nn.Flatten(), nn.Dropout()), update.domain)
    for width in (0, 3, 6):
        with pytest.raises(ConfigError, match=f"width is {width}"):
            CINet(width=width)
    with pytest.raises(ConfigError, match="iterations"):
        CINet(iterations=0)


# Sigmoid victims


def test_a_sigmoid_network_has_the_weights_of_the_relu_network() -> None:
    relu, sigmoid = (fcnn((3, 4, 4), 5, 7, 3, activation=each) for each in ("relu", "sigmoid"))
    for name, value in relu.state_dict().items():
        assert torch.equal(sigmoid.state_dict()[name], value)
    layers = [each.module for each in linear_layers(sigmoid, (3, 4, 4))]
    x: Tensor = torch.randn(2, 3, 4, 4)
    hidden = torch.sigmoid(layers[1](torch.sigmoid(layers[0](x.flatten(1)))))
    torch.testing.assert_close(sigmoid(x), layers[2](hidden))


def test_spear_refuses_a_sigmoid_network_in_one_sentence() -> None:
    network = fcnn((3, 4, 4), 5, 7, 3, activation="sigmoid")
    with pytest.raises(LayerError, match=r"no ReLU follows .* \(attack=geiping\)\.$"):
        SpearIrls().check(network, Domain.unbounded((3, 4, 4)))
