"""Speed of this machine for searches of layer pairs."""

import statistics
from functools import cache

import torch

from spear.activations.smooth import GELU
from spear.budget import Budget
from spear.inversion.pair.attack import SpearPair
from spear.inversion.pair.cost import total
from spear.inversion.pair.planned_search import PairSearch
from spear.observation import LayerPair, Observation

PILOT_SECONDS = 1.0
PILOT_SIZES = (8, 200, 400)
"""b, m and n of the pilot's problem."""


@cache
def pilot() -> float:
    """Measure this machine's rate on a known problem, for a second and once per process."""
    b, m, n = PILOT_SIZES
    pair, attack = _synthetic(b, m, n), SpearPair()
    search = PairSearch(b, m, n, b, pair.activation)
    attack(pair)  # the first is slower
    rates: list[float] = []
    budget = Budget(PILOT_SECONDS)
    while not rates or not budget.over():
        found = attack(pair)
        rates.append(found.seconds / total(search, found.details["rounds"]))
    return statistics.median(rates)


def _synthetic(b: int, m: int, n: int) -> LayerPair:
    """The gradients of normal inputs to a pair at initialisation, with normal dL/dU behind it."""
    generator = torch.Generator().manual_seed(0)
    weight, bias, next_weight = (
        (torch.rand(*shape, generator=generator) - 0.5) * 2 / shape[-1] ** 0.5
        for shape in ((m, n), (1, m), (m, m))
    )
    inputs, behind = (torch.randn(b, k, generator=generator) for k in (n, m))
    sigma = GELU()
    z = inputs @ weight.T + bias
    gradients = sigma.slope(z) * (behind @ next_weight)
    first = Observation(weight, bias[0], gradients.T @ inputs, gradients.sum(dim=0))
    next_gradient = behind.T @ sigma.value(z)
    return LayerPair(first, next_weight, next_gradient, sigma, behind.sum(dim=0))
