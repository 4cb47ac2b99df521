"""How long the search by descent takes, before it starts.

A search is one decomposition and then rounds, each of which has 2 b + 8 starts or more and a few
steps on all m rows:

    seconds = rate (c_0 + c_1 m n k + rounds (c_2 + c_3 m b^2 + c_4 starts b^3)),

k the columns of the sketch (`spear.inversion.spectrum`). Rounds grow with b and b / m. The
constants are fitted to the recorded batches (`python -m benchmarks.forecast`), rate is this
machine's share of the one on which those ran, by a pilot: a problem with a known number of rounds.
"""

import math
import statistics
import time
from dataclasses import dataclass
from functools import cache

import torch

from spear.auditing.findings import Forecast
from spear.inversion.irls.attack import SpearIrls
from spear.inversion.irls.starts import start_count
from spear.inversion.spectrum import FIRST_SKETCH, LARGEST_SKETCH, NOISE_VALUES
from spear.networks import Sparsity
from spear.observation import Observation

PILOT_SECONDS = 1.0
PILOT_SIZES = (20, 200, 625)
"""b, m and n of the pilot's problem."""


@dataclass(frozen=True)
class Costs:
    """Constants of the law, in seconds of one thread of an AMD EPYC.

    Attributes:
        start, product, round, row, solve: c_0 to c_4.
        rounds: coefficients of log(rounds) in 1, log b, b / m and (b / m)^2.
        low, high: 5 % and 95 % of measured over forecast seconds.
    """

    start: float = 4.7e-4
    product: float = 8.5e-10
    round: float = 1.4e-2
    row: float = 3.3e-8
    solve: float = 1.5e-8
    rounds: tuple[float, float, float, float] = (-0.785, 0.568, -2.34, 12.0)
    low: float = 0.5
    high: float = 5.0


COSTS = Costs()


@dataclass(frozen=True)
class Pilot:
    """How fast this machine is.

    Attributes:
        rate: its seconds for one of the reference's.
    """

    rate: float

    @classmethod
    @cache
    def run(cls) -> "Pilot":
        """Solve the pilot's problem for a second; once a process."""
        b, m, n = PILOT_SIZES
        observation, attack = _synthetic(b, m, n), SpearIrls()
        rates: list[float] = []
        end = time.perf_counter() + PILOT_SECONDS
        attack(observation)  # the first is slower
        while not rates or time.perf_counter() < end:
            found = attack(observation)
            rounds = found.details["rounds"]
            expected = descent_seconds(b, m, n, rounds)
            rates.append(found.seconds / expected)
        return cls(statistics.median(rates))


def forecast(m: int, n: int, b: int, side: Sparsity, pilot: Pilot) -> Forecast:
    """Seconds that the search for a batch of b takes.

    Args:
        m, n: outputs and inputs of the layer.
        b: size of the batch.
        side: on which the zeros are; from its inputs, these take the place of the outputs.
        pilot: of the machine on which it will run.
    """
    if side is Sparsity.INPUT:
        m, n = n, m
    seconds = pilot.rate * descent_seconds(b, m, n, expected_rounds(b, m))
    return Forecast(seconds, seconds * COSTS.low, seconds * COSTS.high)


def expected_rounds(b: int, m: int) -> float:
    """Rounds of the search until it has all of a batch, at least 1."""
    ratio = min(b / m, 0.5)
    features = (1.0, math.log(b), ratio, ratio**2)
    return max(1.0, math.exp(sum(c * x for c, x in zip(COSTS.rounds, features, strict=True))))


def descent_seconds(b: int, m: int, n: int, rounds: float) -> float:
    """Seconds of a search with so many rounds on the reference machine."""
    a_round = COSTS.round + COSTS.row * m * b**2 + COSTS.solve * start_count(b) * b**3
    return COSTS.start + COSTS.product * m * n * _sketch(b, m, n) + rounds * a_round


def _sketch(b: int, m: int, n: int) -> int:
    """Columns of the sketch that the decomposition makes of a float32 gradient."""
    size = FIRST_SKETCH
    while size < b + NOISE_VALUES:
        size *= 2
    return size if size <= min(m, n) // LARGEST_SKETCH else min(m, n)


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
