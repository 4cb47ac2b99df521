"""The default attack: which one it chooses, what it falls back on, and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from support.pairs import worst_psnr
from torch import Tensor, nn

from spear.budget import Budget
from spear.client import FedAvg
from spear.client.client import Client
from spear.data import Batch
from spear.data.embedded import Faces
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation, LayerError
from spear.inversion import SpearAuto, SpearIrls, SpearNetwork, auto
from spear.inversion.auto import LayerAndChain, descent_suits, first_final, is_easy
from spear.inversion.factors.factorization import Factorization
from spear.inversion.pair import problem
from spear.networks import fcnn
from spear.observation import Observation
from spear.reconstruction import RESTS_ON_BIASES, Reconstruction, Status
from spear.scoring import truth_of
from spear.update import Update

N, M = 40, 60
DOMAIN = Domain.unbounded((N,))


def batch(b: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(torch.randn(b, N, generator=generator), torch.arange(b) % 10)


def network(activation: nn.Module, bias: bool = True, after: nn.Module | None = None) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear(N, M, bias=bias), activation, after or nn.Identity(),
            nn.Linear(M, M, bias=bias), activation, nn.Linear(M, 10, bias=bias),
        )  # fmt: skip


def shared(model: nn.Module, b: int = 4, **client: Any) -> Update:
    return Client(model, **client).share(batch(b))


def attacked(update: Update, **settings: Any) -> Reconstruction:
    attack = SpearAuto(**{"time_limit": 20.0, **settings})
    attack.check(update.network, DOMAIN)
    return attack(attack.observe(update))


def is_right(found: Reconstruction, truth: Tensor, decibels: float = 80) -> bool:
    return found.status is Status.EXACT and bool(worst_psnr(found.inputs, truth) > decibels)


def test_a_small_batch_behind_a_relu_is_that_of_the_descent_to_the_bit() -> None:
    update = shared(network(nn.ReLU()))
    found, descent = attacked(update), SpearIrls()
    expected = descent(descent.observe(update))
    assert is_right(found, batch().inputs)
    assert torch.equal(found.inputs, expected.inputs)
    assert found.details == expected.details


def test_a_larger_batch_behind_a_relu_is_that_of_the_layer_pairs_to_the_bit() -> None:
    update = shared(network(nn.ReLU()), b=12)
    found, pairs = attacked(update), SpearNetwork()
    expected = pairs(pairs.observe(update))
    assert is_right(found, batch(12).inputs)
    assert torch.equal(found.inputs, expected.inputs)
    assert found.details == expected.details


@pytest.mark.parametrize(("normalize", "chosen"), [(False, SpearIrls), (True, SpearNetwork)])
def test_a_larger_batch_that_the_cascade_solves_is_that_of_the_descent(
    normalize: bool, chosen: type[SpearIrls | SpearNetwork]
) -> None:
    """Faces as pixels have rows of one sample alone, normalised ones too few."""
    faces = Faces(normalize=normalize)
    private = faces.batch(30, torch.Generator().manual_seed(0))
    model = fcnn(faces.input_shape, faces.n_classes, width=200, depth=3, seed=0)
    update = Client(model).share(private)
    attack, alone = SpearAuto(time_limit=20.0), chosen(time_limit=20.0)
    found, expected = attack(attack.observe(update)), alone(alone.observe(update))
    assert found.status is Status.EXACT
    assert torch.equal(found.inputs, expected.inputs)
    assert found.details == expected.details
    assert found.details.get("starts") == 0 or chosen is SpearNetwork


def test_a_look_by_the_cascade_leaves_time_for_the_attacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that takes all it is given finds nothing in time."""

    class Endless:
        def __init__(self, problem: Factorization, over: Callable[[], bool]) -> None:
            self._nothing, self._over = problem.left[:0], over

        def __call__(self) -> Tensor:
            while not self._over():
                pass
            return self._nothing

    monkeypatch.setattr(auto, "Cascade", Endless)
    model = network(nn.ReLU())
    observation = SpearAuto().observe(Client(model).share(batch(25)))
    assert observation.layer is not None
    assert observation.chain is not None
    factors = problem.factorize(observation.layer)
    budget = Budget(1.0)
    assert not descent_suits(factors, observation.chain, budget)
    assert budget.spent < 0.75


def test_gradients_of_complex_numbers_are_refused() -> None:
    update = shared(network(nn.ReLU()))
    gradients = {name: each.to(torch.complex64) for name, each in update.gradients.items()}
    with pytest.raises(InvalidObservation, match="complex64; expected a floating-point"):
        SpearAuto().observe(replace(update, gradients=gradients))


@pytest.mark.parametrize("activation", [nn.GELU(), nn.Tanh(), nn.LeakyReLU()])
def test_behind_another_activation_pairs_are_solved(activation: nn.Module) -> None:
    update = shared(network(activation))
    with pytest.raises(LayerError):
        SpearIrls().observe(update)
    assert is_right(attacked(update), batch().inputs)


def test_a_relu_in_no_layer_pair_is_inverted_by_descent() -> None:
    update = shared(network(nn.ReLU(), after=nn.LayerNorm(M)))
    with pytest.raises(LayerError):
        SpearNetwork().observe(update)
    found = attacked(update)
    assert is_right(found, batch().inputs)
    assert "certified" in found.details


def test_without_biases_pairs_are_solved() -> None:
    found = attacked(shared(network(nn.GELU(), bias=False)))
    assert is_right(found, batch().inputs)


@pytest.mark.parametrize("layer", [2, 3, -1])
def test_inner_layers_go_through_the_easiest_pair(layer: int) -> None:
    model = network(nn.ReLU())
    update = shared(model)
    found = attacked(update, layer=layer)
    truth = truth_of(Client(model), batch(), layer if layer > 0 else 3)
    assert is_right(found, truth.inputs)
    assert "solved" in found.details


def test_local_steps_are_left_to_the_descent() -> None:
    steps = FedAvg(epochs=3, learning_rate=0.01)
    found = attacked(shared(network(nn.ReLU()), b=4, fedavg=steps))
    assert found.status is Status.APPROXIMATE
    assert "certified" in found.details
    assert worst_psnr(found.inputs, batch(4).inputs) > 60


def test_a_frozen_next_layer_leaves_the_descent() -> None:
    model = network(nn.ReLU())
    model[3].requires_grad_(False)
    update = shared(model)
    assert SpearAuto().observe(update).chain is None
    assert is_right(attacked(update), batch().inputs)


def test_a_layer_that_is_not_finite_does_not_hide_the_one_that_is() -> None:
    update = shared(network(nn.ReLU()))
    other = update.gradients | {"3.weight": torch.full((M, M), torch.nan)}
    assert is_right(attacked(replace(update, gradients=other)), batch().inputs)
    both = other | {"0.weight": torch.full((M, N), torch.nan)}
    with pytest.raises(InvalidObservation, match="weight_gradient"):
        attacked(replace(update, gradients=both))


def test_lengths_that_the_pairs_do_not_confirm_are_not_exact() -> None:
    """Without biases in the weights, a bias gradient that is off by a factor scales the inputs."""
    model = network(nn.ReLU())
    for each in model:
        if isinstance(each, nn.Linear):
            nn.init.zeros_(each.bias)
    update = shared(model)
    assert is_right(attacked(update), batch().inputs)
    assert "solved" in attacked(update).details
    off = replace(update, gradients=update.gradients | {"0.bias": 2 * update.gradients["0.bias"]})
    alone = SpearIrls()
    said = alone(alone.observe(off))
    assert said.status is Status.EXACT
    assert said.details[RESTS_ON_BIASES]
    assert attacked(off, time_limit=2.0, max_starts=200).status is not Status.EXACT


def ended(status: Status, found: int = 0, **details: float) -> Reconstruction:
    return replace(Reconstruction.empty(3, 2, status), n_directions=found, details=details)


@pytest.mark.parametrize(
    ("results", "best"),
    [
        ([ended(Status.EXACT), ended(Status.EXACT, 1)], 0),
        ([ended(Status.APPROXIMATE), ended(Status.EXACT)], 0),
        ([ended(Status.PARTIAL, 3), ended(Status.APPROXIMATE)], 1),
        ([ended(Status.TIMED_OUT, 3, certified=1.0), ended(Status.PARTIAL, 2)], 1),
        ([ended(Status.TIMED_OUT, 3), ended(Status.PARTIAL, 2)], 0),
    ],
)
def test_the_first_final_result_or_the_best_counts(results: list[Any], best: int) -> None:
    attempts = [lambda _seed, _budget, each=each: each for each in results]
    assert first_final(attempts, 0, Budget(1.0)) is results[best]


def test_an_attempt_that_is_refused_is_no_result() -> None:
    def refused(_seed: int, _budget: Budget) -> Reconstruction:
        raise InvalidObservation("first.")

    there = ended(Status.PARTIAL)
    assert first_final([refused, lambda *_: there], 0, Budget(1.0)) is there
    with pytest.raises(InvalidObservation, match="first"):
        first_final([refused, refused], 0, Budget(1.0))


@pytest.mark.parametrize(
    ("b", "m", "easy"), [(20, 200, True), (24, 192, True), (25, 400, False), (20, 159, False)]
)
def test_easy_batches_are_small_and_before_many_neurons(b: int, m: int, easy: bool) -> None:
    assert is_easy(b, m) is easy


def test_a_network_that_nothing_inverts_is_refused() -> None:
    alone = nn.Sequential(nn.Linear(N, 10))
    with pytest.raises(LayerError, match=r"^layer is 1 \(0\), and behind it: the network's out"):
        SpearAuto().check(alone, DOMAIN)
    behind = nn.Sequential(nn.Unflatten(1, (1, N)), nn.Flatten(), nn.ReLU(), nn.Linear(N, 10))
    with pytest.raises(LayerError, match=r"Attack it by attack=spear_input\.$"):
        SpearAuto().check(behind, DOMAIN)
    with pytest.raises(LayerError, match=r"^layer is 9; the network has linear layers 1 to 1"):
        SpearAuto(9).check(alone, DOMAIN)


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError):
        SpearAuto(time_limit=-1)


def test_the_same_seed_gives_the_same_result() -> None:
    seen = SpearAuto().observe(shared(network(nn.GELU())))
    assert isinstance(seen, LayerAndChain)
    first, second = (SpearAuto()(seen, seed=3) for _ in range(2))
    assert torch.equal(first.inputs, second.inputs)


def test_the_layers_own_gradient_is_decomposed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its factors choose the first attack, and both attacks take them."""
    decomposed: list[Tensor] = []
    factorize = problem.factorize

    def noted(observation: Observation, rank: int | None = None) -> Any:
        decomposed.append(observation.weight_gradient)
        return factorize(observation, rank)

    for module in (auto, problem):
        monkeypatch.setattr(module, "factorize", noted)
    update = shared(network(nn.ReLU()), b=12)  # 8 b > m: the pairs come first
    observed = SpearAuto().observe(update)
    found = SpearAuto()(observed)
    assert "solved" in found.details
    own = observed.layer.weight_gradient
    assert sum(each.shape == own.shape and torch.equal(each, own) for each in decomposed) == 1
