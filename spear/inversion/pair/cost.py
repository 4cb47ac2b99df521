"""Forecast of the time that a search for the samples of a layer pair takes, before it starts.

A search decomposes both gradients, makes rounds of starts, and ends with a fit of the whole batch:

    seconds = rate (c_0 + c_1 m n (b + 8) + rounds (c_2 + c_3 w) + c_4 m b^2)

with w the multiplications of a round, counted by `round_work`, and c_4 = 0 behind a piecewise
linear activation, where the pieces leave nothing to fit. The rate is the seconds of this machine
for one of that on which the constants were measured; a pilot measures it. The number of rounds is
fitted, not derived: its logarithm is linear in log b, in b / m and its square, and in how straight
the activation is, which tells samples apart by its curvature alone.

Each kind of search has its own c_2, the overhead of a round, and its own law of rounds. All are
fitted to the recorded batches. `python -m benchmarks.forecast_pairs` fits them anew and gives their
errors.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from spear.activations.elementwise import Elementwise
from spear.inversion.descent.cost import TimeForecast
from spear.inversion.descent.sphere import ITERATIONS
from spear.inversion.pair import backward_search, forward_search
from spear.inversion.pair.planned_search import Kind, PairSearch
from spear.inversion.pair.sparse import GUIDED_BELOW

GUIDED = 3.3
"""Work of a step that forward consistency guides, beside one that it does not."""

HARDEST = 0.45
"""Largest b / m that makes a difference: few searches succeed beyond it."""

BAND = (0.18, 2.85)
"""5 % and 95 % quantiles of measured over forecast seconds, on cells left out of the fit."""


@dataclass(frozen=True)
class Constants:
    """Fitted constants.

    Attributes:
        seconds: c_0, c_1, c_3 and c_4, on one thread of an Intel Xeon at 2.50 GHz.
        per_round: c_2 of each kind of search.
        rounds: of each kind, the coefficients of log(rounds) in the `features` of a search.
    """

    seconds: tuple[float, ...]
    per_round: Mapping[Kind, float]
    rounds: Mapping[Kind, tuple[float, ...]]


FITTED = Constants(
    seconds=(0.0412, 9.66e-10, 3.83e-11, 0.0),
    per_round={
        Kind.PEELING: 0.0335,
        Kind.REGRESSIONS: 0.118,
        Kind.FORWARD: 0.285,
        Kind.BACKWARD: 0.33,
    },
    rounds={
        Kind.PEELING: (-0.25, 0.359, 0.975, 1.364, -0.33, 1.289, 0.0, 0.0),
        Kind.REGRESSIONS: (-0.81, 0.625, 0.79, 0.414, -0.052, 1.798, 1.172, 0.988),
        Kind.FORWARD: (-0.348, 0.391, 0.461, 1.018, -0.093, 2.323, 0.758, 1.257),
        Kind.BACKWARD: (-0.378, 0.304, 0.442, 0.271, -0.075, 1.959, 0.0, 0.0),
    },
)


def forecast(search: PairSearch, rate: float = 1.0) -> TimeForecast:
    """Forecast a search on a machine that takes `rate` seconds for one of an Intel Xeon."""
    most = math.inf if search.time_limit is None else search.time_limit
    seconds = rate * total(search, rounds(search))
    low, middle, high = (min(seconds * each, most) for each in (BAND[0], 1.0, BAND[1]))
    return TimeForecast(middle, low, high)


def rounds(search: PairSearch, constants: Constants = FITTED) -> float:
    """Return the expected rounds of a search: 0 at full rank, else from 1 to where it gives up."""
    if search.is_full_rank:
        return 0.0
    slopes = constants.rounds[search.kind]
    exponent = sum(c * x for c, x in zip(slopes, features(search), strict=True))
    most = max(1.0, math.ceil(search.most_starts / search.starts))
    return min(max(1.0, math.exp(min(exponent, 50.0))), most)


def features(search: PairSearch) -> tuple[float, ...]:
    """Return the quantities in which log(rounds) is linear."""
    alike, straight = min(search.b / search.m, HARDEST), straightness(search.activation)
    pieces = search.activation.pieces
    centred = float(pieces is not None and pieces.lower < 0 < pieces.upper)
    return (
        1.0, math.log(search.b), alike, alike**2,
        straight, straight * alike, centred, centred * alike,
    )  # fmt: skip


def straightness(activation: Elementwise) -> float:
    """Return -log of the part of sigma(z) that is not linear in z, for standard normal z."""
    z = torch.linspace(-4, 4, 2001, dtype=torch.float64)
    weights = torch.softmax(-z.square() / 2, dim=0)
    first = activation.of(torch.zeros(1, dtype=torch.long))
    values = first.value(z[:, None])[:, 0]
    values = values - weights @ values
    slope = (weights * z) @ values / (weights @ z.square())
    rest = weights @ (values - slope * z).square() / (weights @ values.square())
    return -math.log(max(float(rest), 1e-6))


def round_work(search: PairSearch) -> float:
    """Return the multiplications of a round: of Gram matrices and of their factorisations."""
    b, m, r = search.b, search.m, search.r
    if search.kind is Kind.PEELING:
        guided = GUIDED if m < GUIDED_BELOW * b else 1.0
        return search.starts * ITERATIONS * (guided * m * b**2 + b**3)
    if search.kind is Kind.REGRESSIONS:
        return search.starts * ITERATIONS * float((m + b + r) * (b + r) ** 2)
    if search.kind is Kind.FORWARD:
        neurons = min(m, forward_search.NEURONS * b + forward_search.SPARE)
        return search.starts * forward_search.ITERATIONS * (2 * neurons * b**2 + b**3)
    neurons = min(m, backward_search.NEURONS * b + r + forward_search.SPARE)
    return search.starts * backward_search.ITERATIONS * (neurons + 2 * b + r) * (2 * b + r) ** 2


def work(search: PairSearch, rounds: float) -> tuple[float, ...]:
    """Return the factors of c_0, c_1, c_3 and c_4."""
    b, m = search.b, search.m
    fitted = 0.0 if search.activation.pieces is not None else float(m * b**2)
    return 1.0, float(m * search.n * (b + 8)), rounds * round_work(search), fitted


def total(search: PairSearch, rounds: float, constants: Constants = FITTED) -> float:
    """Return the seconds of a search of so many rounds, on the machine of the constants."""
    steps = sum(c * x for c, x in zip(constants.seconds, work(search, rounds), strict=True))
    return steps + rounds * constants.per_round[search.kind]
