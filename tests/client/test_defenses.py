"""Defenses: what they do to a gradient, against closed forms."""

import math

import pytest
import torch
from torch import Tensor, nn

from spear.client.client import Client
from spear.client.defenses import (
    DPSGD,
    Clipping,
    Defense,
    GaussianNoise,
    NoDefense,
    NoiseMultiplier,
    NoiseOnEachExample,
    Soteria,
    Sparsification,
)
from spear.client.defenses.soteria import sensitivity
from spear.data import Batch
from spear.errors import ConfigError, LayerError
from spear.networks import fcnn
from spear.scoring import truth_of

LOSS = nn.CrossEntropyLoss()


def problem(b: int = 5) -> tuple[nn.Module, Batch]:
    inputs = torch.randn(b, 12, generator=torch.Generator().manual_seed(0))
    return fcnn((12,), 3, width=30, depth=3), Batch(inputs, torch.arange(b) % 3)


def flat(gradient: dict[str, Tensor]) -> Tensor:
    return torch.cat([value.flatten() for value in gradient.values()])


def shared(defense: Defense, b: int = 5, seed: int = 0) -> dict[str, Tensor]:
    return defense.gradient(*_arguments(b), torch.Generator().manual_seed(seed))


def _arguments(b: int) -> tuple[nn.Module, nn.Module, Batch]:
    network, batch = problem(b)
    return network, LOSS, batch


def test_without_clipping_and_noise_it_is_the_plain_gradient():
    plain = NoDefense().gradient(*_arguments(5), None)
    for max_norm in (math.inf, 1e6):
        defended = shared(DPSGD(max_norm, 0.0))
        assert defended.keys() == plain.keys()
        for name, value in defended.items():
            torch.testing.assert_close(value, plain[name])


def test_one_example_is_shortened_to_the_norm_and_keeps_its_direction():
    plain = flat(NoDefense().gradient(*_arguments(1), None))
    norm = float(plain.norm())
    clipped = flat(shared(DPSGD(norm / 4, 0.0), b=1))
    torch.testing.assert_close(clipped, plain / 4)
    torch.testing.assert_close(flat(shared(DPSGD(norm * 1.01, 0.0), b=1)), plain)


def test_every_example_is_clipped_on_its_own():
    network, batch = problem(5)
    each = [
        flat(NoDefense().gradient(network, LOSS, Batch(x[None], y[None]), None))
        for x, y in zip(batch.inputs, batch.labels, strict=True)
    ]
    bound = float(torch.stack(each).norm(dim=1).median())  # some are longer, some shorter
    expected = torch.stack([g * min(1.0, bound / float(g.norm())) for g in each]).mean(dim=0)
    torch.testing.assert_close(flat(shared(DPSGD(bound, 0.0))), expected)


def test_the_noise_is_gaussian_and_comes_on_top_of_the_mean():
    sigma = 0.01
    clean, noisy = flat(shared(DPSGD(1.0, 0.0))), flat(shared(DPSGD(1.0, sigma)))
    noise = (noisy - clean) / sigma
    k = noise.numel()
    assert k > 1000
    assert abs(noise.mean()) < 4 / math.sqrt(k)
    assert abs(noise.var() - 1) < 4 * math.sqrt(2 / k)
    assert abs((noise**4).mean() - 3) < 4 * math.sqrt(96 / k)


@pytest.mark.parametrize("b", [2, 5])
@pytest.mark.parametrize(("max_norm", "sigma"), [(1.0, 0.02), (2.0, 0.02), (0.5, 0.1)])
def test_noise_on_the_sum_and_on_each_example(max_norm, sigma, b):
    """Of a sum with noise sigma C, divided by b; and of b gradients with sigma C each."""
    clean = flat(shared(DPSGD(max_norm, 0.0), b))
    draws = torch.randn(b, clean.numel(), generator=torch.Generator().manual_seed(1))
    on_sum, on_each = sigma * max_norm * draws[0] / b, (sigma * max_norm * draws).mean(dim=0)
    for defense, like in (
        (NoiseMultiplier(max_norm, sigma), on_sum),
        (NoiseOnEachExample(max_norm, sigma), on_each),
    ):
        noise = flat(shared(defense, b)) - clean
        ratio = noise.var() / like.var()
        assert abs(ratio - 1) < 4 * math.sqrt(4 / noise.numel())
        assert noise.var() == pytest.approx(defense.deviation(b) ** 2, rel=0.2)


def test_they_differ_in_the_scale_of_sigma_alone():
    first = flat(shared(DPSGD(2.0, 0.02), b=4))
    for defense in (NoiseMultiplier(2.0, 0.04), NoiseOnEachExample(2.0, 0.02)):
        assert defense.deviation(4) == pytest.approx(0.02)
        torch.testing.assert_close(flat(shared(defense, b=4)), first)


def test_same_seed_same_noise_and_another_seed_another():
    defense = DPSGD(1.0, 0.01)
    assert torch.equal(flat(shared(defense)), flat(shared(defense)))
    assert not torch.equal(flat(shared(defense)), flat(shared(defense, seed=1)))


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_left_as_it_was(training):
    network, batch = problem()
    network.train(training)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Client(network, defense=DPSGD(0.1, 0.01)).share(batch, torch.Generator().manual_seed(0))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.training is training


def test_clipping_multiplies_the_columns_of_the_activation_gradient():
    network, batch = problem()
    client = Client(network, defense=DPSGD(0.5, 0.0))
    observation, truth = client.share(batch).observe(1), truth_of(client, batch, 1)
    inputs, gradients = truth.inputs.double(), truth.activation_gradients.double()
    clipped = torch.linalg.lstsq(inputs.T, observation.weight_gradient.double().T).solution.T
    cosines = torch.cosine_similarity(clipped, gradients, dim=0)
    torch.testing.assert_close(cosines, torch.ones_like(cosines), atol=1e-6, rtol=0)
    assert (clipped.norm(dim=0) < gradients.norm(dim=0)).all()


@pytest.mark.parametrize(
    ("max_norm", "noise_std", "message"),
    [
        (0.0, 0.0, "max_norm is 0.0; expected a norm above 0"),
        (-1.0, 0.0, "max_norm is -1.0"),
        (math.nan, 0.0, "max_norm is nan"),
        (1.0, -1e-4, "noise_std is -0.0001; expected a finite standard deviation of 0 or more"),
        (1.0, math.nan, "noise_std is nan"),
        (1.0, math.inf, "noise_std is inf"),
    ],
)
def test_numbers_without_a_meaning_are_refused(max_norm, noise_std, message):
    with pytest.raises(ConfigError, match=message):
        DPSGD(max_norm, noise_std)


@pytest.mark.parametrize("defense", [NoiseMultiplier, NoiseOnEachExample])
@pytest.mark.parametrize(
    ("max_norm", "noise_multiplier", "message"),
    [
        (0.0, 0.1, "max_norm is 0.0; expected a norm above 0"),
        (math.inf, 0.1, "max_norm is inf; expected a finite norm"),
        (1.0, -0.1, "noise_multiplier is -0.1; expected a finite number of 0 or more"),
        (1.0, math.nan, "noise_multiplier is nan"),
    ],
)
def test_multiples_without_a_meaning_are_refused(defense, max_norm, noise_multiplier, message):
    with pytest.raises(ConfigError, match=message):
        defense(max_norm, noise_multiplier)


def test_clipping_shortens_the_gradient_of_the_whole_batch():
    plain = flat(NoDefense().gradient(*_arguments(5), None))
    norm = float(plain.norm())
    torch.testing.assert_close(flat(shared(Clipping(norm / 3))), plain / 3)
    torch.testing.assert_close(flat(shared(Clipping(norm * 1.01))), plain)


def test_the_noise_of_a_gradient_is_gaussian():
    plain = flat(NoDefense().gradient(*_arguments(5), None))
    noise = (flat(shared(GaussianNoise(0.01))) - plain) / 0.01
    k = noise.numel()
    assert abs(noise.mean()) < 4 / math.sqrt(k)
    assert abs(noise.var() - 1) < 4 * math.sqrt(2 / k)
    torch.testing.assert_close(flat(shared(GaussianNoise(0.0))), plain)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_sparsification_leaves_the_largest_entries_of_each_parameter(share):
    plain = NoDefense().gradient(*_arguments(5), None)
    for name, value in shared(Sparsification(share)).items():
        kept = value.numel() - int(share * value.numel())
        largest = plain[name].abs().flatten().sort(descending=True).values[:kept]
        torch.testing.assert_close(
            value.abs().flatten().sort(descending=True).values[:kept], largest
        )
        assert (value != 0).sum() <= kept
        assert torch.equal(value[value != 0], plain[name][value != 0])


def test_the_sensitivity_is_that_of_each_examples_jacobian():
    network, batch = problem(3)
    layer = network[-1]
    scores = sensitivity(network, layer, batch.inputs)
    expected = torch.zeros(30)
    for x in batch.inputs:
        r = network[:-1](x[None])[0].detach()
        jacobian = torch.autograd.functional.jacobian(lambda x: network[:-1](x[None])[0], x)
        active = r > 0
        expected[active] += jacobian.norm(dim=1)[active] / r[active]
    dead = torch.stack([network[:-1](x[None])[0] for x in batch.inputs]).eq(0).all(dim=0)
    assert dead.any()
    expected = expected.masked_fill(dead, torch.inf)
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=0)


def test_soteria_sets_the_columns_of_the_most_telling_entries_to_zero():
    network, batch = problem(3)
    plain = NoDefense().gradient(network, LOSS, batch, None)
    defended = Soteria(0.2).gradient(network, LOSS, batch, None)
    scores = sensitivity(network, network[-1], batch.inputs)
    perturbed = scores.argsort()[: int(0.2 * 30)]
    expected = plain["5.weight"].clone()
    expected[:, perturbed] = 0.0
    assert not torch.equal(expected, plain["5.weight"])
    assert torch.equal(defended.pop("5.weight"), expected)
    assert all(torch.equal(value, plain[name]) for name, value in defended.items())


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Conv2d(1, 3, 12), nn.Flatten()), "the network has no linear layer"),
        (
            nn.Sequential(nn.Linear(12, 3), nn.AvgPool2d((12, 1)), nn.Flatten()),
            r"the last linear layer receives inputs of shape \(2, 1, 12, 12\)",
        ),
    ],
)
def test_soteria_needs_one_representation_an_example(network, message):
    batch = Batch(torch.ones(2, 1, 12, 12), torch.tensor([0, 1]))
    with pytest.raises(LayerError, match=message):
        Soteria(0.1).gradient(network, LOSS, batch, None)


@pytest.mark.parametrize(
    ("defense", "value", "message"),
    [
        (Clipping, 0.0, "max_norm is 0.0; expected a norm above 0"),
        (GaussianNoise, -1.0, "noise_std is -1.0; expected a finite standard deviation"),
        (Sparsification, 1.0, "share is 1.0; expected a share from 0 to below 1"),
        (Soteria, -0.1, "share is -0.1"),
    ],
)
def test_settings_of_the_others_without_a_meaning_are_refused(defense, value, message):
    with pytest.raises(ConfigError, match=message):
        defense(value)


@pytest.mark.parametrize("n", [63, 64, 65, 130])
def test_representations_of_any_length_are_differentiated(n):
    """r = W x of a linear layer: |dr_i/dx| is the length of row i of W, whatever x is."""
    network = nn.Sequential(nn.Linear(12, n, bias=False), nn.Linear(n, 3))
    inputs = torch.randn(2, 12, generator=torch.Generator().manual_seed(0))
    scores = sensitivity(network, network[1], inputs)
    weight = network[0].weight.detach()
    expected = (weight.norm(dim=1) / (inputs @ weight.T).abs()).sum(dim=0)
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=0.0)


@pytest.mark.parametrize(
    "defense",
    [NoDefense(), Clipping(0.1), GaussianNoise(0.1), Sparsification(0.5), Soteria(0.2),
     DPSGD(1.0, 0.1)],
)  # fmt: skip
def test_what_is_shared_has_no_graph(defense):
    assert not any(value.requires_grad for value in shared(defense).values())
