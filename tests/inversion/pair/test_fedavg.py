"""Layer pairs after local steps: the mean weights, what the drift leaves, and the whole attack."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from spear.client.client import Client
from spear.client.local_training import FedAvg
from spear.data import Batch
from spear.errors import ConfigError, InvalidObservation
from spear.inversion import SpearPair, SpearPairFedAvg
from spear.inversion.pair.local_steps import at_mean_weights, rounding_of, with_drift
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.networks import fcnn
from spear.reconstruction import Status

B, N = 4, 60


def network(activation: str = "gelu", width: int = 64, depth: int = 4) -> nn.Sequential:
    return fcnn((N,), 10, width, depth, activation=activation)


def batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(torch.randn(B, N, generator=generator), torch.tensor([0, 3, 5, 5]))


def shared(model: nn.Module, steps: int, rate: float, size: int | None = None):
    client = Client(model, FedAvg(steps, rate, size))
    return client.share(batch(), torch.Generator().manual_seed(0))


def attack(steps: int, rate: float, **settings: float) -> SpearPairFedAvg:
    return SpearPairFedAvg(steps=steps, learning_rate=rate, time_limit=20.0, **settings)


def error(found: torch.Tensor) -> float:
    true = batch().inputs.double()
    return float((torch.cdist(found, true) / true.norm(dim=1)).amin(dim=0).max())


@pytest.mark.parametrize("activation", ["gelu", "tanh"])
@pytest.mark.parametrize("steps", [2, 5])
def test_the_gradient_at_the_mean_weights_is_right_to_second_order(activation, steps):
    """Halving eta divides its error by 4, and that of the gradient at the first weights by 2."""
    model = network(activation).double()
    data = Batch(batch().inputs.double(), batch().labels)
    gaps = []
    for rate in (0.08, 0.04):
        update = Client(model, FedAvg(steps, rate)).share(data)
        mean = at_mean_weights(update, steps, rate).network
        gradients = [Client(each).share(data).gradients for each in (model, mean)]
        gaps.append(
            [
                sum(float((update.gradients[k] - steps * g[k]).norm() ** 2) for k in g) ** 0.5
                for g in gradients
            ]
        )
    (first, middle), (first_half, middle_half) = gaps
    assert first / first_half == pytest.approx(2, rel=0.2)
    assert middle / middle_half == pytest.approx(4, rel=0.3)
    assert middle < first / 5


def test_the_networks_of_the_update_are_not_changed():
    model = network()
    before = deepcopy(model.state_dict())
    update = shared(model, 3, 0.1)
    moved = at_mean_weights(update, 3, 0.1).network.state_dict()
    share = 0.1 * 2 / 6
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        expected = value - share * update.gradients[name]
        torch.testing.assert_close(moved[name], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("activation", ["gelu", "silu", "tanh"])
@pytest.mark.parametrize(("steps", "rate"), [(2, 0.01), (5, 0.01)])
def test_inputs_are_found_after_local_steps(activation, steps, rate):
    attacked = attack(steps, rate)
    found = attacked(attacked.observe(shared(network(activation), steps, rate)))
    assert found.status is Status.APPROXIMATE
    assert error(found.inputs) < 1e-2


def test_the_mean_weights_tell_more_than_the_first():
    update = shared(network(), 5, 0.1)
    attacked = attack(5, 0.1)
    at_mean = attacked(attacked.observe(update))
    plain = SpearPair(time_limit=20.0, max_starts=300)
    at_first = plain(plain.observe(update))
    assert at_mean.status is Status.APPROXIMATE
    assert at_first.status is Status.PARTIAL
    assert error(at_mean.inputs) < 1e-2


@pytest.mark.parametrize("activation", ["gelu", "tanh"])
@pytest.mark.parametrize(("steps", "rate", "size"), [(2, 1e-3, None), (3, 0.3, None), (2, 0.01, 2)])
def test_nothing_is_exact_after_local_steps(activation, steps, rate, size):
    attacked = attack(steps, rate, max_starts=200)
    update = shared(network(activation), steps, rate, size)
    try:
        found = attacked(attacked.observe(update))
    except InvalidObservation:
        return
    assert found.status is not Status.EXACT
    if found.status is Status.APPROXIMATE:
        assert error(found.inputs) < 0.1


def test_one_step_is_a_layer_pair():
    update = Client(network()).share(batch())
    one, plain = attack(1, 0.01), SpearPair(time_limit=20.0)
    found, other = one(one.observe(update)), plain(plain.observe(update))
    assert found.status is Status.EXACT
    assert torch.equal(found.inputs, other.inputs)


def test_drift_that_is_not_seen_or_too_large_is_refused():
    observed = attack(2, 0.01).observe(shared(network("relu"), 2, 0.01))
    with pytest.raises(InvalidObservation, match=r"relu, whose neurons switch.*spear_irls"):
        attack(2, 0.01)(observed)
    with pytest.raises(InvalidObservation, match="the local steps moved the weights so far that"):
        attack(5, 2.0)(attack(5, 2.0).observe(shared(network("tanh"), 5, 2.0)))
    with pytest.raises(InvalidObservation, match=r"so little that their rounding.*larger learning"):
        attack(2, 1e-5)(attack(2, 1e-5).observe(shared(network(), 2, 1e-5)))
    narrow = fcnn((N,), 3, 64, 2, activation="gelu")
    few = Batch(batch().inputs, torch.tensor([0, 1, 2, 2]))
    update = Client(narrow, FedAvg(2, 0.001)).share(few)
    with pytest.raises(
        InvalidObservation, match=r"the next layer's update has rank . with 4 inputs"
    ):
        attack(2, 0.001)(attack(2, 0.001).observe(update))


@pytest.mark.parametrize("activation", ["gelu", "tanh"])
@pytest.mark.parametrize(("steps", "rate"), [(2, 1e-3), (2, 1e-4), (5, 1e-3)])
def test_at_a_small_rate_the_share_beyond_the_rank_is_rounding(activation, steps, rate):
    pair = attack(steps, rate).observe(shared(network(activation), steps, rate))
    values = torch.linalg.svdvals(pair.next_weight_gradient.double())
    assert rounding_of(pair, steps, rate) == pytest.approx(float(values[B] / values[0]), rel=0.8)


def test_the_drift_is_that_beyond_the_rank():
    update = shared(network(), 5, 0.1)
    pair = attack(5, 0.1).observe(update)
    problem = pair_problem(pair)
    assert isinstance(problem, PairProblem)
    allowed = with_drift(problem, pair, 5, 0.1)
    assert allowed.noisy
    assert allowed.first_error > problem.first_error
    assert bool((allowed.first.noise.rows >= problem.first.noise.rows).all())


def test_what_is_out_of_range_is_told():
    with pytest.raises(ConfigError, match="steps is 0"):
        attack(0, 0.01)
    with pytest.raises(ConfigError, match="learning_rate is 0"):
        attack(2, 0.0)
