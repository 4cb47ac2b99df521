"""Forecasts of the time of layer pairs: their law, their limits, their error on recorded jobs."""

import math

import pytest
import torch

from benchmarks.forecast import within
from benchmarks.forecast_pairs import cells
from spear.activations.exponential import SELU
from spear.activations.named import KNOWN
from spear.activations.piecewise import Hardtanh, LeakyReLU, ReLU
from spear.activations.smooth import GELU, Sigmoid, Tanh
from spear.inversion.pair import pilot as pilots
from spear.inversion.pair.choice import Method
from spear.inversion.pair.cost import BAND, forecast, rounds, straightness, total, work
from spear.inversion.pair.planned_search import Kind, PairSearch


def gelu(b: int, m: int = 200, r: int | None = None, **settings: float) -> PairSearch:
    return PairSearch(b, m, 3072, b if r is None else r, GELU(), **settings)


@pytest.mark.slow
def test_most_recorded_jobs_take_what_was_forecast():
    found = cells()
    assert len(found) >= 180
    assert {cell.search.kind for cell in found} == set(Kind)
    ratios = [cell.ratio for cell in found]
    assert within(ratios, 2.0) >= 0.7
    assert within(ratios, 3.0) >= 0.8
    assert sum(BAND[0] <= each <= BAND[1] for each in ratios) >= 0.9 * len(ratios)


@pytest.mark.parametrize(
    ("activation", "r", "kind"),
    [
        (ReLU(), 20, Kind.PEELING),
        (ReLU(), 9, Kind.REGRESSIONS),
        (LeakyReLU(), 20, Kind.REGRESSIONS),
        (Hardtanh(), 20, Kind.FORWARD),
        (GELU(), 20, Kind.FORWARD),
        (GELU(), 9, Kind.BACKWARD),
    ],
)
def test_the_kind_is_that_of_the_search(activation, r, kind):
    assert PairSearch(20, 200, 3072, r, activation).kind is kind
    assert PairSearch(20, 200, 3072, r, activation, Method.REGRESSIONS).kind is Kind.REGRESSIONS


def test_limits_are_the_counts_of_the_theory():
    """m = 2 b - 1 for forward, 2 b + r - 2 for backward consistency, b + r for two regressions."""
    assert gelu(100, m=200).warning == "extrapolated: records end at b = 60"
    assert gelu(100, m=200, r=9).warning == "expected to fail: m = 200 neurons, and 207 are needed"
    assert "full rank" in gelu(100, m=199).warning  # b + r > m
    assert gelu(60).warning == ""
    regressions = PairSearch(60, 70, 3072, 9, LeakyReLU())
    assert (regressions.limit, regressions.warning) == (69, "")


def test_full_rank_needs_no_search():
    assert rounds(gelu(150)) == 0


def test_a_search_gives_up():
    assert rounds(gelu(60, most_starts=16)) == 1
    assert forecast(gelu(60, time_limit=1.0), rate=1e6).seconds == 1.0


def test_a_slower_machine_takes_longer():
    slow, fast = forecast(gelu(20), 3.0), forecast(gelu(20))
    assert slow.seconds == pytest.approx(3 * fast.seconds)
    assert fast.low == pytest.approx(BAND[0] * fast.seconds)


def test_more_inputs_neurons_and_rounds_take_longer():
    assert forecast(gelu(40)).seconds > forecast(gelu(20)).seconds
    assert total(gelu(20, m=400), 3) > total(gelu(20), 3)
    assert total(gelu(20), 4) > total(gelu(20), 3)
    assert work(PairSearch(20, 200, 3072, 20, LeakyReLU()), 3)[-1] == 0  # nothing is fitted


def test_straightness_is_the_share_that_no_line_explains():
    """Of ReLU, sigma(z) - z / 2 = |z| / 2: the share is (1 - 2 / pi) / 4 over its variance."""
    variance = 1 / 2 - 1 / (2 * math.pi)
    share = (1 - 2 / math.pi) / 4 / variance
    assert straightness(ReLU()) == pytest.approx(-math.log(share), abs=2e-3)
    assert straightness(Sigmoid()) > straightness(SELU()) > straightness(Tanh())
    for name, make in KNOWN.items():
        sigma = make(torch.tensor([0.25])) if name == "prelu" else make()
        assert 1 < straightness(sigma) < 5


def test_the_pilot_solves_its_problem(monkeypatch):
    monkeypatch.setattr(pilots, "PILOT_SECONDS", 0.0)
    pilots.pilot.cache_clear()
    assert 0 < pilots.pilot() < 100
    pilots.pilot.cache_clear()
