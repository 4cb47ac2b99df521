"""The Cocktail Party Attack: independent component analysis separates what it should."""

import dataclasses
import math

import pytest
import torch
from support.problems import make_problem
from torch import Tensor
from torch.nn.functional import normalize

from spear.baselines.cocktail_party import terms
from spear.baselines.cocktail_party.attack import CocktailParty
from spear.baselines.cocktail_party.whitening import whiten
from spear.baselines.gradient_matching.total_variation import total_variation
from spear.client.client import Client
from spear.data import Faces
from spear.data.base import Batch
from spear.domain import Domain
from spear.errors import ConfigError, LayerError
from spear.inversion.factors.factorization import decompose
from spear.networks import fcnn
from spear.observation import Observation
from spear.reconstruction import Status
from spear.scoring import similarities
from spear.update import Update

QUICK = {"iterations": 300, "learning_rate": 0.01}


def mixture(b: int = 4, n: int = 1000, m: int = 20) -> tuple[Tensor, Observation]:
    """Laplace sources (b x n), and a layer whose gradient mixes them at random."""
    torch.manual_seed(0)
    sources = torch.distributions.Laplace(0.0, 1.0).sample((b, n))
    mixing = torch.randn(m, b)
    parts = (torch.randn(m, n), torch.randn(m), mixing @ sources, mixing.sum(dim=1))
    return sources, Observation(*parts)


def faces(b: int) -> tuple[Update, Batch]:
    dataset = Faces()
    batch = dataset.batch(b, torch.Generator().manual_seed(0))
    network = fcnn(dataset.input_shape, dataset.n_classes)
    return Client(network, domain=dataset.domain).share(batch), batch


def test_independent_sources_are_separated_and_have_their_sign_and_scale():
    sources, observation = mixture()
    found = CocktailParty(negentropy=100.0, **QUICK)(observation)
    assert found.status is Status.ESTIMATED
    cosines = similarities(found.inputs, sources)
    assert cosines.min() > 0.95
    errors = torch.cdist(found.inputs, sources.double()).amin(dim=1)
    assert (errors < 0.3 * sources.norm(dim=1)).all()


def test_without_the_contrast_nothing_separates_independent_sources():
    sources, observation = mixture()
    found = CocktailParty(negentropy=0.0, **QUICK)(observation)
    assert similarities(found.inputs, sources).min() < 0.95


def test_pictures_are_unmixed_by_their_smoothness():
    update, batch = faces(4)
    attack = CocktailParty(**QUICK)
    observed = attack.observe(update)
    true = batch.inputs.flatten(1)
    unmixed = similarities(attack(observed).inputs, true).mean()
    generator = torch.Generator().manual_seed(1)
    mixtures = torch.randn(20, 4, 4, generator=generator) @ true
    chance = torch.stack([similarities(each, true).mean() for each in mixtures]).max()
    assert unmixed > chance + 0.1
    # A plain observation does not say that its inputs are pictures.
    plain = Observation(*(getattr(observed, f.name) for f in dataclasses.fields(Observation)))
    assert unmixed > similarities(attack(plain).inputs, true).mean() + 0.1


def test_the_reconstruction_explains_the_gradient_and_its_bias():
    update, _ = faces(4)
    attack = CocktailParty(iterations=20)
    observed = attack.observe(update)
    found = attack(observed)
    explained = found.activation_gradients @ found.inputs
    scale = observed.weight_gradient.abs().max().item()
    assert (explained - observed.weight_gradient).abs().max().item() < 1e-5 * scale
    sums = found.activation_gradients.sum(dim=1)
    assert torch.allclose(sums, observed.bias_gradient.double(), atol=1e-6)


def test_the_same_observation_gives_the_same_result_and_the_best_is_kept():
    _, observation = mixture()
    attack = CocktailParty(**QUICK)
    first, second = attack(observation, seed=1), attack(observation, seed=2)
    assert torch.equal(first.inputs, second.inputs)
    short = CocktailParty(iterations=5)(observation)
    assert first.details["objective"] <= short.details["objective"]


def test_a_batch_of_one_is_exact():
    problem = make_problem(1)
    found = CocktailParty(iterations=2)(problem.observation)
    assert torch.allclose(found.inputs, problem.truth.inputs.double(), rtol=1e-6)


def test_the_time_limit_returns_the_best_so_far():
    sources, observation = mixture()
    found = CocktailParty(time_limit=1e-9)(observation)
    assert found.status is Status.TIMED_OUT
    assert found.inputs.shape == sources.shape
    assert found.details["iterations"] == 1


def test_a_gradient_of_zeros_gives_nothing():
    _, observation = mixture()
    zero = dataclasses.replace(
        observation, weight_gradient=torch.zeros_like(observation.weight_gradient)
    )
    assert CocktailParty()(zero).status is Status.ZERO_GRADIENT


def test_no_relu_is_needed_but_a_linear_layer_is():
    network = torch.nn.Sequential(torch.nn.Linear(30, 20), torch.nn.Tanh(), torch.nn.Linear(20, 3))
    domain = Domain.unbounded((30,))
    CocktailParty(layer=1).check(network, domain)
    with pytest.raises(LayerError, match=r"linear layers 1 to 2"):
        CocktailParty(layer=3).check(network, domain)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("iterations", 0), ("l1", -1.0), ("sharpness", math.inf), ("rank", 0), ("learning_rate", 0.0)],
)
def test_settings_without_a_meaning_are_refused(setting, value):
    with pytest.raises(ConfigError, match=setting):
        CocktailParty(**{setting: value})


def test_whitened_mixtures_are_uncorrelated_and_come_from_the_gradient():
    _, observation = mixture(b=5)
    problem = decompose(observation.weight_gradient)
    whitened = whiten(problem)
    covariance = torch.cov(whitened.mixtures)
    assert torch.allclose(covariance, torch.eye(5, dtype=torch.float64), atol=1e-9)
    again = whitened.coordinates @ problem.right
    assert torch.allclose(again, whitened.mixtures + whitened.means[:, None])


def test_negentropy_is_zero_for_normal_numbers_alone():
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(1, 1_000_000, generator=generator, dtype=torch.float64)
    uniform = math.sqrt(12) * (torch.rand(1, 1_000_000, generator=generator).double() - 0.5)
    laplace = torch.distributions.Laplace(0.0, 0.5**0.5).sample((1, 1_000_000)).double()
    assert terms.negentropy(normal).item() < 1e-6
    assert terms.negentropy(uniform).item() > 1e-4
    assert terms.negentropy(laplace).item() > 1e-4


def test_dependence_is_that_of_different_rows():
    assert terms.dependence(torch.eye(3), 5.0).item() == 0.0
    assert terms.dependence(torch.ones(1, 1), 5.0).item() == 0.0
    rows = normalize(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    assert terms.dependence(rows, 2.0).item() == pytest.approx(math.exp(2**0.5) - 1)


def test_total_variation_and_mixed_signs_in_closed_form():
    ramp = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert total_variation(ramp).item() == pytest.approx(1.0 + 4.0)
    rows = torch.tensor([[3.0, 4.0, -1.0], [-3.0, -4.0, 0.0]])
    assert terms.mixed_signs(rows).item() == pytest.approx(0.5)
