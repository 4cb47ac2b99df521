"""Forecast of the time a search by descent takes, before it starts.

A search is one decomposition and then rounds of starts (`spear.inversion.descent.rounds`), so that

    seconds = rate (c_0 + c_1 m n k + c_2 m n + rounds (c_3 + c_4 m b^2 + c_5 starts b^3))

with k the columns of the decomposition's sketch, 2 b + 8 or more starts per round, and rate the
seconds of this machine for one of the machine on which the constants were measured; a pilot
measures it. The number of rounds is fitted, not derived: its logarithm is linear in log b, b / m
and its square, and in what makes activations alike (pixels, training). It is at most the number
after which the search gives up.

The constants are fitted to the recorded batches (`python -m benchmarks.forecast`, which also gives
their errors).
"""

import math
import statistics
from dataclasses import dataclass
from functools import cache

import torch

from spear.budget import Budget
from spear.inversion.descent.attack import SpearIrls
from spear.inversion.descent.starts import start_count
from spear.inversion.factors.spectrum import FIRST_SKETCH, LARGEST_SKETCH, NOISE_VALUES
from spear.observation import Observation

COSTS = (6.11e-4, 3.41e-10, 1.50e-8, 1.42e-2, 1.38e-7, 1.89e-9)
"""c_0 to c_5, in seconds of one thread of an AMD EPYC."""

ROUNDS = (-1.382, 0.415, 7.829, -4.789, 1.903, 0.122, 1.301, -1.043, 0.745, -0.347, -0.1, -0.127)
"""Coefficients of log(rounds) in the `features` of a search."""

BAND = (0.46, 3.3)
"""5 % and 95 % quantiles of measured over forecast seconds, on cells left out of the fit."""

MOST_ALIKE = 0.6
"""Largest b / m that makes a difference; no search succeeds beyond it."""

TRAINED = 1000.0
"""Steps of training that count as one."""

PILOT_SECONDS = 1.0
PILOT_SIZES = (20, 200, 625)
"""b, m and n of the pilot's problem."""


@dataclass(frozen=True)
class Search:
    """Properties of a search that are known before it starts.

    Attributes:
        b: size of the batch.
        m, n: rows and columns of dL/dW, or for sparse inputs of its transpose.
        pixels: whether the network's inputs are not normalised, so that activations are alike.
        steps: of training that the network has had.
        noisy: whether noise, of a defense or of weights after local steps, exceeds rounding.
        most_starts: starts after which the search gives up.
        time_limit: seconds after which it gives up, or None.
    """

    b: int
    m: int
    n: int
    pixels: bool = False
    steps: int = 0
    noisy: bool = False
    most_starts: float = 1e6
    time_limit: float | None = None


@dataclass(frozen=True)
class TimeForecast:
    """Seconds that a search takes, and a band that holds nine in ten cases.

    Attributes:
        seconds: the median.
        low, high: the 5 % and 95 % quantiles.
    """

    seconds: float
    low: float
    high: float


def forecast(search: Search, rate: float = 1.0) -> TimeForecast:
    """Forecast a search on a machine that takes `rate` seconds for one of an AMD EPYC."""
    limit = math.inf if search.time_limit is None else search.time_limit
    seconds = rate * _total(search, rounds(search))
    low, middle, high = (min(seconds * each, limit) for each in (BAND[0], 1.0, BAND[1]))
    return TimeForecast(middle, low, high)


def rounds(search: Search, slopes: tuple[float, ...] = ROUNDS) -> float:
    """Expected rounds of a search: 0 at full rank, else from 1 to where it gives up.

    Args:
        search: its known properties.
        slopes: coefficients of log(rounds) in its `features`.
    """
    if search.b >= min(search.m, search.n):
        return 0.0
    exponent = sum(c * x for c, x in zip(slopes, features(search), strict=True))
    most = max(1.0, math.ceil(search.most_starts / start_count(search.b)))
    return min(max(1.0, math.exp(min(exponent, 50.0))), most)


def features(search: Search) -> tuple[float, ...]:
    """Return the quantities in which log(rounds) is linear."""
    alike, size = min(search.b / search.m, MOST_ALIKE), math.log(search.b)
    pixels, trained = float(search.pixels), math.log1p(search.steps) / math.log1p(TRAINED)
    return (
        1.0, size, alike, alike**2, pixels, pixels * alike, trained, trained * alike,
        float(search.noisy), pixels * size, trained * size, trained * pixels,
    )  # fmt: skip


def costs(search: Search, rounds: float) -> tuple[float, ...]:
    """Return the factor of each of `COSTS`."""
    b, m, n = search.b, search.m, search.n
    starts = rounds * start_count(b)
    return 1.0, m * n * _sketch(search), m * n, rounds, rounds * m * b**2, starts * b**3


def _total(search: Search, rounds: float) -> float:
    return sum(c * x for c, x in zip(COSTS, costs(search, rounds), strict=True))


def _sketch(search: Search) -> int:
    """Columns that the decomposition works with; all if noise fills the spectrum."""
    size, least = FIRST_SKETCH, min(search.m, search.n)
    while size < search.b + NOISE_VALUES:
        size *= 2
    return least if search.noisy or size > least // LARGEST_SKETCH else size


@cache
def pilot() -> float:
    """Measure this machine's rate on a known problem, for a second and once per process."""
    b, m, n = PILOT_SIZES
    observation, attack, search = _synthetic(b, m, n), SpearIrls(), Search(b, m, n)
    attack(observation)  # the first is slower
    rates: list[float] = []
    budget = Budget(PILOT_SECONDS)
    while not rates or not budget.over():
        found = attack(observation)
        rates.append(found.seconds / _total(search, found.details["rounds"]))
    return statistics.median(rates)


def _synthetic(b: int, m: int, n: int) -> Observation:
    """The gradient of normal inputs to a layer at initialisation, with normal dL/dZ behind it."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(b, n, generator=generator, dtype=torch.float64)
    weight, bias = ((torch.rand(m, k, generator=generator) - 0.5) * 2 / n**0.5 for k in (n, 1))
    active = inputs @ weight.double().T + bias.double().T > 0
    gradients = torch.randn(b, m, generator=generator, dtype=torch.float64) * active
    return Observation(
        weight, bias[:, 0], (gradients.T @ inputs).float(), gradients.sum(dim=0).float()
    )
