"""The attack: every activation, before a wide and a narrow next layer, and what it refuses."""

from dataclasses import replace

import pytest
import torch
from support.pairs import ALL, PairCase, pair_case, worst_psnr
from torch import nn

import spear
from spear.attack import Progress
from spear.client.client import Client
from spear.data import Batch, Digits
from spear.errors import ConfigError, InvalidObservation, LayerError
from spear.inversion import SpearPair
from spear.networks import fcnn
from spear.reconstruction import Status

CASE = pair_case("gelu", dtype=torch.float32)


def digits(activation: str, depth: int, b: int = 4, m: int = 60) -> PairCase:
    """Real images, in float32."""
    dataset = Digits()
    batch = dataset.batch(b, torch.Generator().manual_seed(0))
    network = fcnn(
        dataset.input_shape, dataset.n_classes, width=m, depth=depth, activation=activation
    )
    inputs = batch.inputs.flatten(1).double()
    pair = Client(network).share(batch).observe_pair(1)
    nothing = torch.zeros(0)
    return PairCase(network, batch, pair, inputs, nothing, nothing)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("depth", "images"), [(2, True), (3, False)])
@pytest.mark.few(15)
def test_every_activation_is_inverted_exactly(name: str, depth: int, images: bool) -> None:
    case = digits(name, depth) if images else pair_case(name, depth=depth, dtype=torch.float32)
    found = SpearPair(time_limit=20.0)(case.pair)
    assert found.status == Status.EXACT
    assert (found.batch_size, found.missing) == (4, 0)
    # A sigmoid's activations are nearly equal, which amplifies rounding.
    assert worst_psnr(found.inputs, case.inputs) > (60 if name in ("sigmoid", "softplus") else 80)
    assert found.details["residual"] < 1e-4
    product = found.activation_gradients @ found.inputs
    torch.testing.assert_close(product.float(), case.pair.first.weight_gradient, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["gelu", "tanh", "leaky_relu", "relu", "hardtanh"])
def test_so_are_more_inputs_than_classes(name: str) -> None:
    case = pair_case(name, b=6, classes=4, depth=2, dtype=torch.float32)
    found = SpearPair(time_limit=20.0)(case.pair)
    assert found.status == Status.EXACT
    assert worst_psnr(found.inputs, case.inputs) > 80


@pytest.mark.parametrize(("b", "depth"), [(1, 3), (2, 2)])
@pytest.mark.parametrize("name", ALL)
@pytest.mark.few(16)
def test_so_are_the_smallest_batches(name: str, b: int, depth: int) -> None:
    case = pair_case(name, b=b, depth=depth, dtype=torch.float32)
    found = SpearPair(time_limit=20.0)(case.pair)
    assert found.status == Status.EXACT
    assert worst_psnr(found.inputs, case.inputs) > 60


@pytest.mark.parametrize(
    ("method", "name"),
    [("peeling", "relu"), ("regressions", "relu"), ("regressions", "leaky_relu"),
     ("descent", "leaky_relu"), ("descent", "gelu"), ("regressions", "hardtanh")],
)  # fmt: skip
def test_a_method_can_be_chosen(method: str, name: str) -> None:
    case = pair_case(name, dtype=torch.float32, scale=2.0)
    found = SpearPair(method=method, time_limit=20.0)(case.pair)
    assert found.status == Status.EXACT
    assert worst_psnr(found.inputs, case.inputs) > 80


@pytest.mark.parametrize("name", ["gelu", "leaky_relu", "gelu_tanh"])
def test_one_call_inverts_a_pair(name: str) -> None:
    case = pair_case(name, dtype=torch.float32)
    given, first = case.pair, case.pair.first
    activation = given.activation if name == "gelu_tanh" else name
    found = spear.invert_pair(
        first.weight,
        first.bias,
        first.weight_gradient,
        first.bias_gradient,
        activation,
        given.next_weight,
        given.next_weight_gradient,
        given.next_bias_gradient,
        seed=1,
    )
    assert found.status == Status.EXACT
    assert worst_psnr(found.inputs, case.inputs) > 80


def test_one_call_inverts_a_network_at_any_pair() -> None:
    network, inputs, gradients = whole()
    for layer, expected in ((None, inputs), (1, inputs)):
        found = spear.invert_network(network, gradients, (40,), layer=layer)
        assert found.status == Status.EXACT
        assert worst_psnr(found.inputs, expected) > 80
    inner = torch.tanh(network[0](inputs)).detach()
    found = spear.invert_network(network, gradients, (40,), layer=2)
    assert found.status == Status.EXACT
    assert worst_psnr(found.inputs, inner) > 60


def whole() -> tuple[nn.Sequential, torch.Tensor, dict[str, torch.Tensor]]:
    """A network of two pairs with different activations."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Linear(40, 60), nn.Tanh(), nn.Linear(60, 50), nn.GELU(), nn.Linear(50, 10)
        )
        inputs = torch.randn(4, 40)
    batch = Batch(inputs, torch.tensor([0, 3, 5, 5]))
    return network, inputs, dict(Client(network).share(batch).gradients)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="method is 'magic'; expected peeling, regressions"):
        SpearPair(method="magic")


@pytest.mark.parametrize(
    ("method", "name", "depth", "classes", "message"),
    [
        ("peeling", "gelu", 3, 10, "method is peeling, but the activation is gelu"),
        ("peeling", "leaky_relu", 3, 10, "method is peeling, but the activation is leaky_relu"),
        ("peeling", "relu", 2, 3, "rank 2 with 4 inputs"),
        ("regressions", "gelu", 3, 10, r"regressions, but the activation \(gelu\) is not"),
    ],
)
def test_a_method_that_does_not_fit_is_refused(
    method: str, name: str, depth: int, classes: int, message: str
) -> None:
    case = pair_case(name, depth=depth, classes=classes, dtype=torch.float32)
    with pytest.raises(InvalidObservation, match=message):
        SpearPair(method=method)(case.pair)


@pytest.mark.parametrize("settings", [{"max_starts": 0}, {"rank": 0}])
def test_settings_out_of_range_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        SpearPair(**settings)  # type: ignore[arg-type]


def test_a_layer_without_a_next_one_is_refused_by_the_layers_that_have_one() -> None:
    network, _, gradients = whole()
    with pytest.raises(LayerError, match=r"layer is 3, but .* choose one of \[1, 2\]"):
        spear.invert_network(network, gradients, (40,), attack=SpearPair(3))
    alone = nn.Sequential(nn.Linear(40, 10))
    with pytest.raises(LayerError, match="no linear layer that one elementwise"):
        spear.invert_network(alone, dict(alone.named_parameters()), (40,))


def test_a_frozen_next_layer_is_refused() -> None:
    network, inputs, _ = whole()
    network[2].weight.requires_grad_(False)
    update = Client(network).share(Batch(inputs, torch.tensor([0, 3, 5, 5])))
    with pytest.raises(LayerError, match=r"the weight of layer 2 \(2\) is frozen"):
        SpearPair().observe(update)


def test_a_frozen_next_bias_is_not_needed() -> None:
    network, inputs, _ = whole()
    network[2].bias.requires_grad_(False)
    update = Client(network).share(Batch(inputs, torch.tensor([0, 3, 5, 5])))
    attack = SpearPair()
    observed = attack.observe(update)
    assert observed.next_bias_gradient is None
    found = attack(observed)
    assert found.status == Status.EXACT
    assert worst_psnr(found.inputs, inputs) > 80


def test_a_bias_gradient_of_zeros_is_refused() -> None:
    first = replace(CASE.pair.first, bias_gradient=torch.zeros(60))
    with pytest.raises(InvalidObservation, match="bias_gradient is zero everywhere"):
        SpearPair()(replace(CASE.pair, first=first))


def test_no_gradient_and_no_gap_have_their_endings() -> None:
    nothing = torch.zeros_like(CASE.pair.next_weight_gradient)
    found = SpearPair()(replace(CASE.pair, next_weight_gradient=nothing))
    assert (found.status, found.batch_size) == (Status.ZERO_GRADIENT, 0)
    full = pair_case("gelu", b=40, n=20, dtype=torch.float32)
    assert SpearPair()(full.pair).status == Status.FULL_RANK


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "tanh"])
def test_what_a_time_limit_leaves_is_found_first_and_right(name: str) -> None:
    """The search is stopped after each of its rounds in turn, by a clock that runs out then."""
    case = pair_case(name, b=20, m=60, n=50, dtype=torch.float32)
    found = SpearPair(time_limit=1e-9)(case.pair)
    assert found.status == Status.TIMED_OUT
    assert found.details["rounds"] == 1
    assert found.batch_size == 20
    assert 0 < found.n_directions < 20
    assert found.inputs.isfinite().all()
    errors = torch.cdist(found.inputs[: found.n_directions], case.inputs).amin(dim=1)
    assert (errors < 1e-2 * case.inputs.norm(dim=1).mean()).all()


def test_the_most_starts_end_it() -> None:
    case = pair_case("relu", b=20, m=60, n=50, dtype=torch.float32)
    found = SpearPair(time_limit=None, max_starts=1)(case.pair)
    assert found.status == Status.PARTIAL
    assert found.details["starts"] > 0


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "gelu"])
@pytest.mark.parametrize("classes", [10, 3])
def test_the_same_seed_gives_the_same_bits(name: str, classes: int) -> None:
    case = pair_case(name, classes=classes, depth=2, dtype=torch.float32)
    first, second = (SpearPair()(case.pair, seed=5) for _ in range(2))
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.disaggregation, second.disaggregation)
    assert first.details == second.details
    other = SpearPair()(case.pair, seed=6)
    assert other.status == first.status == Status.EXACT


def test_the_rank_may_be_given() -> None:
    assert SpearPair(rank=4)(CASE.pair).status == Status.EXACT
    for rank in (3, 5):
        found = SpearPair(rank=rank, time_limit=None, max_starts=30)(CASE.pair)
        assert found.status != Status.EXACT
        assert found.batch_size == rank


def test_progress_is_told() -> None:
    told: list[Progress] = []
    SpearPair()(CASE.pair, progress=told.append)
    assert told
    assert (told[-1].done, told[-1].total, told[-1].unit) == (4, 4, "directions")
