"""GGL: its divergence, CMA-ES on closed forms, and a search that needs no second derivatives."""

import sys

import numpy as np
import pytest
import torch
from support.generators import UNIT, Ramp, attacked, update_of
from torch import nn
from torch.autograd.function import once_differentiable
from torch.distributions import Normal, kl_divergence

from spear.baselines.ggl import CMAES, GGL, divergence
from spear.baselines.gifd import GIFD
from spear.baselines.gradient_matching import JointLabels
from spear.baselines.label_recovery import CountedLabels
from spear.client import Client
from spear.data import Batch
from spear.errors import ConfigError, VictimError
from spear.reconstruction import Status

BRIEF = CMAES(generations=3, population=6)


class OnceOnly(torch.autograd.Function):
    """The identity, whose derivative has none."""

    @staticmethod
    def forward(_, inputs):
        return inputs.clone()

    @staticmethod
    @once_differentiable
    def backward(_, gradient):
        return gradient


class Once(nn.Module):
    def forward(self, inputs):
        return OnceOnly.apply(inputs)


def test_the_divergence_is_torchs():
    latents = 2.0 * torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0)) + 0.5
    rows = latents.flatten(1)
    theirs = kl_divergence(Normal(rows.mean(1), rows.std(1, correction=0)), Normal(0.0, 1.0))
    torch.testing.assert_close(divergence(latents), theirs)
    assert divergence(torch.tensor([[1.0, -1.0]])).item() == 0


def test_the_strategy_finds_the_least_of_a_narrow_valley():
    """A rotated quadratic of condition 10^4 in 4 dimensions; nothing of NumPy's is seeded."""
    random = np.random.default_rng(0)
    turned = np.linalg.qr(random.normal(size=(4, 4)))[0]
    best = []
    state = np.random.get_state()[1].copy()  # noqa: NPY002, the global one
    search = CMAES(generations=300, population=12)
    for _ in search(lambda x: least(turned, x, best), 4, seed=7):
        pass
    assert min(best) < 1e-8
    assert len(best) <= search.evaluations == 3600
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def least(turned, x, found):
    value = float((10.0 ** np.arange(4) * ((turned @ x) - 1) ** 2).sum())
    found.append(value)
    return value


def test_a_picture_of_the_generator_is_found_by_its_latents():
    generator = Ramp()
    with torch.no_grad():
        private = generator.blocks(torch.tensor([[0.8, -1.1]]))
    search = GGL(generator, evolution=CMAES(generations=40, population=8), weight=0.0)
    found = attacked(search, update_of(private))
    assert found.status is Status.ESTIMATED
    torch.testing.assert_close(found.inputs.view_as(private), private, atol=0.02, rtol=0)
    assert found.details["evaluations"] <= 320


def test_the_divergence_draws_latents_to_what_the_generator_knows():
    """Of two latents of the same image, in the null space of V, the one of variance 1 is left."""

    class Doubled(Ramp):
        latent_shape = (4,)

        def __init__(self):
            super().__init__()
            self.blocks = nn.Sequential(Halves(), *self.blocks)

    class Halves(nn.Module):
        def forward(self, latents):
            return latents[:, :2]

    with torch.no_grad():
        private = Doubled().blocks(torch.tensor([[3.0, -3.0, 0.0, 0.0]]))
    heavy = GGL(Doubled(), evolution=CMAES(generations=60, population=8), weight=1e6)
    details = attacked(heavy, update_of(private)).details
    assert details["objective"] < 1e-2 * 1e6 * divergence(torch.tensor([[3.0, -3.0, 0.0, 0.0]]))


def test_it_needs_no_second_derivatives():
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), Once(), nn.Linear(20, 10))
    labels = torch.tensor([3])
    update = Client(network, domain=UNIT).share(Batch(torch.rand(1, *UNIT.shape), labels))
    update = update.with_labels(labels)
    with pytest.raises(VictimError, match="cannot be differentiated twice"):
        attacked(GIFD(Ramp(), iterations=1, restarts=1), update)
    found = attacked(GGL(Ramp(), evolution=BRIEF), update)
    assert found.status is Status.ESTIMATED
    assert found.details["evaluations"] == 18


def test_labels_that_it_counts_are_returned():
    update = update_of(torch.rand(2, *UNIT.shape), labels=torch.tensor([4, 1]))
    found = attacked(GGL(Ramp(), labels=CountedLabels(2), evolution=BRIEF), update)
    assert found.labels.argmax(dim=1).tolist() == [1, 4]


def test_the_same_seed_gives_the_same_images():
    update = update_of(torch.rand(2, *UNIT.shape))
    attack = GGL(Ramp(), evolution=BRIEF)
    assert torch.equal(attacked(attack, update).inputs, attacked(attack, update).inputs)
    assert not torch.equal(attacked(attack, update).inputs, attacked(attack, update, 1).inputs)


def test_out_of_time_it_returns_the_best_so_far():
    attack = GGL(Ramp(), evolution=CMAES(generations=10**6), time_limit=0.05)
    found = attacked(attack, update_of(torch.rand(2, *UNIT.shape)))
    assert found.status is Status.TIMED_OUT
    assert 0 <= found.inputs.min() <= found.inputs.max() <= 1


def test_without_the_library_there_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "cma", None)
    with pytest.raises(ConfigError, match=r"needs the package cma, which is not installed"):
        CMAES()


def test_settings_without_a_meaning_are_refused():
    for change, message in (
        ({"generations": 0}, "generations is 0; expected at least 1"),
        ({"population": 3}, "population is 3; expected at least 4"),
        ({"step": 0.0}, "step is 0.0; expected more than 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            CMAES(**change)
    with pytest.raises(ConfigError, match="weight is -1; expected a finite number of 0 or more"):
        GGL(Ramp(), weight=-1)


def test_labels_that_would_be_optimised_are_refused():
    update = update_of(torch.rand(1, *UNIT.shape))
    with pytest.raises(ConfigError, match="labels are optimised with the images, which GGL"):
        attacked(GGL(Ramp(), labels=JointLabels(1), evolution=BRIEF), update)
