"""Gradients clipped by value: completed from the entries below the limit."""

import pytest
import torch
from torch import nn

from spear.client import Client
from spear.client.defenses import ClippingByValue, NoDefense
from spear.data import Batch
from spear.errors import ConfigError
from spear.inversion import SpearClipped, SpearIrls
from spear.inversion.completion.clipped import clipped
from spear.networks import fcnn
from spear.reconstruction import Status
from spear.update import Update

N, B, M, WEIGHT = 600, 4, 100, "1.weight"


def batch() -> Batch:
    generator = torch.Generator().manual_seed(3)
    return Batch(torch.randn(B, N, generator=generator), torch.arange(B) % 10)


def plain() -> dict[str, torch.Tensor]:
    return Client(network()).share(batch()).gradients


def network() -> nn.Module:
    return fcnn((N,), 10, width=M, depth=3)


def limit_for(share: float) -> float:
    """The limit beyond which this share of the first layer's entries is."""
    return float(plain()[WEIGHT].abs().quantile(1 - share))


def update(share: float) -> Update:
    return Client(network(), defense=ClippingByValue(limit_for(share))).share(batch())


def nearest(found: torch.Tensor) -> torch.Tensor:
    inputs = batch().inputs.double()
    return torch.cdist(inputs, found.double()).min(dim=1).values / inputs.norm(dim=1)


def test_entries_beyond_the_limit_are_at_it_and_others_stay():
    limit = limit_for(0.2)
    sent = update(0.2).gradients
    for name, value in plain().items():
        beyond = value.abs() > limit
        assert torch.equal(sent[name][~beyond], value[~beyond])
        torch.testing.assert_close(sent[name][beyond], limit * value[beyond].sign())
    assert abs(float(clipped(sent[WEIGHT]).double().mean()) - 0.2) < 0.01


def test_a_limit_that_nothing_reaches_changes_nothing():
    sent = ClippingByValue(1e3).gradient(network(), nn.CrossEntropyLoss(), batch(), None)
    expected = NoDefense().gradient(network(), nn.CrossEntropyLoss(), batch(), None)
    assert all(torch.equal(value, expected[name]) for name, value in sent.items())
    assert not bool(clipped(sent[WEIGHT]).any())
    attack = SpearClipped()
    assert attack(attack.observe(Client(network()).share(batch()))).status is Status.EXACT


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_the_batch_is_exact_although_its_largest_entries_are_clipped(share):
    descent, attack = SpearIrls(time_limit=1), SpearClipped()
    shared = update(share)
    assert descent(descent.observe(shared)).status is not Status.EXACT
    found = attack(attack.observe(shared))
    assert found.status is Status.EXACT
    assert nearest(found.inputs).max() < 1e-5
    assert found.details["untold"] == 0


def test_almost_everything_clipped_is_never_exact():
    attack = SpearClipped(5.0)
    found = attack(attack.observe(update(0.9)))
    assert found.status is not Status.EXACT


def test_entries_that_the_result_contradicts_are_counted():
    """At the limit with the wrong sign, or zero where the batch is not."""
    attack = SpearClipped()
    for turned in (lambda value, at: -value, lambda value, at: 0 * value):
        shared = update(0.1)
        value = shared.gradients[WEIGHT].clone()
        place = tuple(clipped(value).nonzero()[5].tolist())
        value[place] = turned(value[place], place)
        found = attack(attack.observe(Update(**vars(shared) | {
            "gradients": shared.gradients | {WEIGHT: value}, "labels": None,
        })))  # fmt: skip
        assert found.status is Status.ESTIMATED
        assert found.details["untold"] == 1
        assert nearest(found.inputs).max() < 1e-5


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_without_a_meaning_is_refused(limit):
    with pytest.raises(ConfigError, match=r"^limit is .*; expected more than 0\.$"):
        ClippingByValue(limit)
