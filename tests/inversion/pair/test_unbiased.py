"""Layer pairs without dL/dc1: the activation fixes the lengths, and the result says so."""

from dataclasses import replace

import pytest
import torch
from support.pair_updates import private, share, victim
from support.pairs import pair_case
from torch import Tensor, nn

import spear
from spear.activations import Elementwise
from spear.client.client import Client
from spear.data import Batch
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation, LayerError
from spear.inversion import SpearPair, SpearPairUnbiased
from spear.inversion.pair.forward import residuals
from spear.inversion.pair.forward_search import on_neurons
from spear.inversion.pair.free_rows import LARGEST, SMALLEST, FreeRows
from spear.inversion.pair.peeling import Samples
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.inversion.pair.unbiased import unbiased_problem, unfinished
from spear.inversion.pair.unbiased_proof import _are_even, isolated, judged
from spear.networks import fcnn
from spear.observation import UnbiasedPair
from spear.reconstruction import RESTS_ON_ACTIVATION, SIGNS_OPEN, Status

SMOOTH = ["gelu", "silu", "elu", "softplus", "mish", "selu", "hardswish"]


def network(activation: str, width: int = 64, bias: bool = False) -> nn.Sequential:
    return fcnn((60,), 10, width, 4, activation=activation, bias=bias)


def batch(b: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(torch.randn(b, 60, generator=generator), torch.arange(b) % 3)


def seen(activation: str, b: int = 4, bias: bool = False) -> UnbiasedPair:
    return SpearPairUnbiased().observe(Client(network(activation, bias=bias)).share(batch(b)))


def problem_of(pair: UnbiasedPair) -> PairProblem:
    problem = unbiased_problem(pair)
    assert isinstance(problem, PairProblem)
    return problem


def true_rows(problem: PairProblem, inputs: Tensor) -> Tensor:
    return torch.linalg.lstsq(problem.first.right.T, inputs.double().T).solution.T


def error(found: Tensor, true: Tensor) -> float:
    return float((torch.cdist(found, true.double()) / true.double().norm(dim=1)).amin(dim=0).max())


@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("b", [1, 5])
def test_a_network_without_any_bias_is_inverted(activation, b):
    found = SpearPairUnbiased(time_limit=20.0)(seen(activation, b))
    assert found.status is Status.EXACT
    assert error(found.inputs, batch(b).inputs) < 1e-4
    assert found.details[RESTS_ON_ACTIVATION] == 1
    assert "their lengths rest on the shape of the activation" in found.message


def test_a_sigmoid_is_too_straight_for_a_proof():
    """The inputs are right, but an error of 0.1 % in a length might not show."""
    found = SpearPairUnbiased(time_limit=20.0)(seen("sigmoid", 5))
    assert found.status is Status.APPROXIMATE
    assert error(found.inputs, batch(5).inputs) < 1e-4


def test_eight_inputs_of_200_neurons_are_inverted_without_any_bias():
    model = fcnn((300,), 10, 200, 6, activation="gelu", bias=False)
    generator = torch.Generator().manual_seed(0)
    data = Batch(torch.randn(8, 300, generator=generator), torch.arange(8))
    found = spear.invert_network(
        model, Client(model).share(data).gradients, (300,), attack=SpearPairUnbiased()
    )
    assert found.status is Status.EXACT
    assert error(found.inputs, data.inputs) < 1e-5


class LogCosh(Elementwise):
    """log cosh z, an even activation."""

    name = "log_cosh"

    def value(self, z: Tensor) -> Tensor:
        return z.cosh().log()


def test_the_next_bias_does_not_tell_the_signs_behind_an_even_activation():
    shared = share(victim("tanh", deep=True, biases=False), private(4))
    pair = UnbiasedPair(
        shared.weight, shared.weight_gradient, shared.next_weight, shared.next_weight_gradient,
        shared.activation, None, shared.next_bias_gradient,
    )  # fmt: skip
    problem = problem_of(pair)
    rows = true_rows(problem, private(4).inputs)
    assert not bool(_are_even(problem, rows).any())
    even = replace(problem, activation=LogCosh())
    assert bool(_are_even(even, rows).all())
    assert judged(even, rows).signs_open


@pytest.mark.parametrize("activation", ["gelu", "silu", "tanh"])
def test_true_rows_of_their_own_length_alone_are_forward_consistent(activation):
    """sigma(t z) is in the span of the activations for t = 1, and behind an odd sigma for -1."""
    problem = problem_of(seen(activation))
    rows = true_rows(problem, batch().inputs)
    assert float(residuals(problem, rows).max()) < 1e-5
    for factor in (0.9, 1.1, 2.0):
        assert float(residuals(problem, factor * rows).min()) > 1e-3
    assert (float(residuals(problem, -rows).max()) < 1e-5) == (activation == "tanh")


def test_a_homogeneous_activation_does_not_tell_the_length():
    problem = problem_of(seen("gelu"))
    relu = problem_of_relu()
    rows = true_rows(relu, batch().inputs)
    assert float(residuals(relu, 3.0 * rows).max()) < 1e-5
    assert not isolated(relu, rows, torch.full((4,), 1e-5, dtype=torch.float64))
    rows = true_rows(problem, batch().inputs)
    assert isolated(problem, rows, torch.full((4,), 1e-5, dtype=torch.float64))


def problem_of_relu() -> PairProblem:
    pair = seen("relu")
    problem = pair_problem(pair.with_sum(pair.weight_gradient.sum(dim=1)))
    assert isinstance(problem, PairProblem)
    return problem


def test_signs_behind_an_odd_activation_are_open_without_the_next_bias():
    found = SpearPairUnbiased(time_limit=20.0)(seen("tanh"))
    assert found.status is Status.APPROXIMATE
    assert found.details[SIGNS_OPEN] == 1
    assert "their signs are open" in found.message
    either = torch.cat([found.inputs, -found.inputs])
    assert error(either, batch().inputs) < 1e-4


def test_the_next_bias_tells_the_signs():
    shared = share(victim("tanh", deep=True, biases=False), private(4))
    pair = UnbiasedPair(
        shared.weight, shared.weight_gradient, shared.next_weight, shared.next_weight_gradient,
        shared.activation, None, shared.next_bias_gradient,
    )  # fmt: skip
    problem = problem_of(pair)
    rows = true_rows(problem, private(4).inputs)
    turned = rows * torch.tensor([1.0, -1.0, -1.0, 1.0])[:, None]
    found = judged(problem, turned)
    assert found.status is Status.EXACT
    assert not found.signs_open
    inputs = torch.linalg.solve(found.disaggregation, problem.first.right)
    assert error(inputs, private(4).inputs) < 1e-4


@pytest.mark.parametrize("activation", ["gelu", "elu"])
def test_a_frozen_bias_counts(activation):
    update = Client(network(activation, bias=True)).share(batch())
    left = {name: each for name, each in update.gradients.items() if name != "1.bias"}
    attack = SpearPairUnbiased(time_limit=20.0)
    found = attack(attack.observe(type(update)(update.network, left, update.loss, update.domain)))
    assert found.status is Status.EXACT
    assert error(found.inputs, batch().inputs) < 1e-4


@pytest.mark.parametrize("part", ["weight_gradient", "next_weight_gradient"])
@pytest.mark.parametrize("factor", [1.01, 2.0, -1.0])
def test_gradients_of_another_scale_are_not_exact(part, factor):
    pair = seen("gelu")
    parts = vars(pair) | {part: factor * getattr(pair, part)}
    found = SpearPairUnbiased(time_limit=2.0, max_starts=300)(UnbiasedPair(**parts))
    assert found.status is not Status.EXACT


def test_inputs_that_reach_a_linear_part_only_are_not_exact():
    model = network("gelu")
    small = Batch(1e-5 * batch().inputs, batch().labels)
    attack = SpearPairUnbiased(time_limit=2.0, max_starts=300)
    problem = problem_of(attack.observe(Client(model).share(small)))
    rows = true_rows(problem, small.inputs)
    assert judged(problem, rows).status is not Status.EXACT


def test_starts_have_pre_activations_of_usual_sizes():
    problem = problem_of(seen("gelu"))
    space, generator = FreeRows.of(problem), torch.Generator().manual_seed(0)
    rows = space.rows(space.random(200, generator))
    sizes = (rows @ problem.first.projected_weight.T).square().mean(dim=1).sqrt()
    assert float(sizes.min()) >= SMALLEST * 0.99
    assert float(sizes.max()) <= LARGEST * 1.01
    torch.testing.assert_close(space.coordinates(rows), rows)
    assert on_neurons(problem, space).base.abs().max() == 0  # no bias


def test_the_call_for_tensors_takes_no_bias():
    pair = seen("gelu")
    given = (pair.weight, None, pair.weight_gradient, None, "gelu", pair.next_weight)
    found = spear.invert_pair(*given, pair.next_weight_gradient)
    assert found.status is Status.EXACT
    assert error(found.inputs, batch().inputs) < 1e-4
    with pytest.raises(ConfigError, match="attack is given without a bias_gradient"):
        spear.invert_pair(*given, pair.next_weight_gradient, attack=SpearPair())
    sums = pair.weight_gradient.sum(dim=1)
    with pytest.raises(InvalidObservation, match="bias is None, but there is a bias_gradient"):
        spear.invert_pair(
            pair.weight, None, pair.weight_gradient, sums, "gelu", pair.next_weight,
            pair.next_weight_gradient,
        )  # fmt: skip


def test_what_does_not_fit_is_refused():
    attack = SpearPairUnbiased()
    for activation in ("relu", "leaky_relu"):
        with pytest.raises(InvalidObservation, match="does not tell the length of an input"):
            attack(seen(activation))
    few = Client(fcnn((60,), 3, 64, 2, activation="gelu", bias=False)).share(batch())
    with pytest.raises(InvalidObservation, match=r"rank \d with 4 inputs; without a bias"):
        attack(attack.observe(few))
    with pytest.raises(LayerError, match="expected one elementwise activation"):
        SpearPairUnbiased(4).check(network("gelu"), Domain.unbounded((60,)))
    with pytest.raises(LayerError, match=r"has no bias.*spear_pair_unbiased"):
        SpearPair().check(network("gelu"), Domain.unbounded((60,)))
    SpearPairUnbiased().check(network("gelu"), Domain.unbounded((60,)))
    parts = vars(seen("gelu"))
    with pytest.raises(InvalidObservation, match="weight_gradient has shape"):
        UnbiasedPair(**parts | {"weight_gradient": parts["weight_gradient"][:5]})


def test_a_gradient_of_zeros_gives_nothing():
    pair = seen("gelu")
    parts = vars(pair) | {"weight_gradient": torch.zeros_like(pair.weight_gradient)}
    found = SpearPairUnbiased()(UnbiasedPair(**parts))
    assert (found.status, found.batch_size) == (Status.ZERO_GRADIENT, 0)


def test_noise_leaves_an_approximation():
    pair, generator = seen("gelu"), torch.Generator().manual_seed(0)
    noisy = {}
    for name in ("weight_gradient", "next_weight_gradient"):
        value = getattr(pair, name)
        noise = torch.randn(value.shape, generator=generator)
        noisy[name] = value + 1e-4 * value.square().mean().sqrt() * noise
    found = SpearPairUnbiased(time_limit=20.0, max_starts=500)(UnbiasedPair(**vars(pair) | noisy))
    assert found.status is Status.APPROXIMATE
    assert error(found.inputs, batch().inputs) < 0.05


def test_known_samples_of_anunfinished_search_have_their_lengths():
    case = pair_case("gelu", b=6, m=100, n=120, dtype=torch.float32)
    rows = case.rows[:3]
    samples = Samples.scaled(rows, case.disaggregation.T[:3], case.next_coordinates.T[:3])
    found = torch.linalg.inv(unfinished(samples))[:3]
    torch.testing.assert_close(found, rows)
