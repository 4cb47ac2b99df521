"""Settings of a client at the ends of their ranges, and those it has unless told otherwise."""

import math

import pytest
import torch

from spear.client import FedAvg, LocalAdam, LocalSGD, Rounds, SecureSum, SingleClient, WeightedMean
from spear.client.defenses import (
    DPSGD,
    Clipping,
    GaussianNoise,
    NoiseMultiplier,
    NoiseOnEachExample,
    Soteria,
    Sparsification,
)
from spear.client.risk.lavp import Lavp
from spear.errors import ConfigError

TINY, HUGE, INF = 5e-324, 1.7e308, math.inf
BELOW_1, ABOVE_1 = math.nextafter(1.0, 0.0), math.nextafter(1.0, 2.0)

RANGES = {
    "max_norm of Clipping": (Clipping, [TINY, INF], [0.0]),
    "max_norm of DPSGD": (lambda c: DPSGD(c, 0.0), [TINY, INF], [0.0]),
    "max_norm of NoiseMultiplier": (lambda c: NoiseMultiplier(c, 0.0), [TINY, HUGE], [0.0, INF]),
    "noise_std of DPSGD": (lambda s: DPSGD(1.0, s), [0.0, HUGE], [-TINY, INF]),
    "noise_std of GaussianNoise": (GaussianNoise, [0.0, HUGE], [-TINY, INF]),
    "noise_multiplier": (lambda s: NoiseMultiplier(1.0, s), [0.0, HUGE], [-TINY, INF]),
    "share of Sparsification": (Sparsification, [0.0, BELOW_1], [-TINY, 1.0]),
    "share of Soteria": (Soteria, [0.0, BELOW_1], [-TINY, 1.0]),
    "momentum": (lambda mu: LocalSGD(momentum=mu), [0.0, BELOW_1], [-TINY, 1.0]),
    "weight_decay": (lambda decay: LocalSGD(weight_decay=decay), [0.0, HUGE], [-TINY, INF]),
    "final_rate": (lambda share: LocalSGD(final_rate=share), [TINY, 1.0], [0.0, ABOVE_1]),
    "epsilon": (LocalAdam, [TINY, HUGE], [0.0, INF]),
    "epochs": (lambda n: FedAvg(n, 0.1), [1], [0]),
    "learning_rate of FedAvg": (lambda eta: FedAvg(1, eta), [TINY, HUGE], [0.0, INF]),
    "batch_size": (lambda n: FedAvg(1, 0.1, n), [1, None], [0]),
    "accumulate": (lambda n: FedAvg(1, 0.1, accumulate=n), [1], [0]),
    "clients": (WeightedMean, [1], [0]),
    "participation": (lambda share: WeightedMean(2, share), [TINY, 1.0], [0.0, ABOVE_1]),
    "bound": (lambda bound: SecureSum(2, bound=bound), [TINY, HUGE], [0.0, INF]),
    "levels": (lambda levels: SecureSum(2, levels=levels), [2], [1]),
    "rounds": (lambda n: Rounds(SingleClient(), n, 0.1), [1], [0]),
    "learning_rate of Rounds": (lambda eta: Rounds(SingleClient(), 1, eta), [TINY], [0.0]),
    "participation of Rounds": (
        lambda share: Rounds(SingleClient(), 1, 0.1, share), [TINY, 1.0], [0.0, ABOVE_1],
    ),
    "tolerance": (lambda tolerance: Lavp(tolerance=tolerance), [TINY, BELOW_1], [0.0, 1.0]),
    "max_dense": (lambda n: Lavp(max_dense=n), [0], [-1]),
}  # fmt: skip
"""Name of each setting -> what takes it, ends that are allowed, the next values beyond."""


@pytest.mark.parametrize("name", RANGES)
def test_a_range_ends_where_it_says(name):
    make, allowed, refused = RANGES[name]
    for value in allowed:
        make(value)
    for value in refused:
        with pytest.raises(ConfigError, match=f"^{name.split()[0]} is "):
            make(value)


def test_plain_sgd_of_full_batches_is_the_default():
    optimizer = FedAvg(1, 0.1).optimizer
    assert isinstance(optimizer, LocalSGD)
    assert (optimizer.momentum, optimizer.weight_decay, optimizer.nesterov) == (0.0, 0.0, False)
    assert optimizer.final_rate == 1.0
    assert (FedAvg(1, 0.1).batch_size, FedAvg(1, 0.1).accumulate) == (None, 1)


def test_adam_is_pytorchs_unless_told_otherwise():
    own = torch.optim.Adam([torch.nn.Parameter(torch.ones(1))]).defaults
    assert LocalAdam().epsilon == own["eps"]


def test_whole_numbers_are_flowers_unless_told_otherwise():
    """SecAgg+ clips at 8 and rounds to 2^22 levels: a step of 3.8e-6."""
    secure = SecureSum(1)
    assert secure.bound == 8.0
    assert 2 * secure.bound / secure.step == 2**22
    assert secure.step == pytest.approx(3.8e-6, rel=5e-3)


@pytest.mark.parametrize("make", [WeightedMean, SecureSum])
def test_all_clients_take_part_unless_told_otherwise(make):
    assert make(7).clients == 7
    assert Rounds(make(7), 1, 0.1).participation == 1.0


@pytest.mark.parametrize(
    ("defense", "b", "deviation"),
    [(DPSGD(2.0, 0.3), 4, 0.3), (NoiseMultiplier(2.0, 0.3), 4, 0.15),
     (NoiseOnEachExample(2.0, 0.3), 4, 0.3), (NoiseOnEachExample(2.0, 0.3), 9, 0.2)],
)  # fmt: skip
def test_the_deviation_of_an_entry_of_the_mean(defense, b, deviation):
    assert defense.deviation(b) == pytest.approx(deviation, rel=1e-12)
