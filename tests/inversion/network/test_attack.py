"""Any layer of a chain: through the easiest pair, forwards and backwards, and what is refused."""

from dataclasses import replace

import pytest
import torch
from support.pairs import worst_psnr
from torch import Tensor, nn

import spear
from spear.budget import Budget
from spear.client.client import Client
from spear.data import Batch
from spear.domain import Domain
from spear.errors import ConfigError, InvalidObservation, LayerError
from spear.inversion import SpearNetwork, SpearPair
from spear.inversion.network.attack import _backward
from spear.inversion.network.through_a_pair import by_condition, followed
from spear.inversion.pair.problem import PairProblem, pair_problem
from spear.reconstruction import Status
from spear.scoring import truth_of
from spear.update import Update

LABELS = torch.tensor([0, 3, 5, 5])


def shared(network: nn.Sequential, scale: float = 1.0) -> tuple[Client, Batch, Update]:
    generator = torch.Generator().manual_seed(1)
    batch = Batch(scale * torch.randn(4, 40, generator=generator), LABELS)
    client = Client(network)
    return client, batch, client.share(batch)


def network(*activations: nn.Module, width: int = 60) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers: list[nn.Module] = [nn.Linear(40, width)]
        for each in activations:
            layers += [each, nn.Linear(width, width)]
        return nn.Sequential(*layers, nn.ReLU(), nn.Linear(width, 10))


def inputs_of(client: Client, batch: Batch, layer: int) -> Tensor:
    return truth_of(client, batch, layer).inputs.double()


@pytest.mark.parametrize("layer", [1, 2, 3, 4, -1])
def test_every_layer_is_inverted(layer: int) -> None:
    client, batch, update = shared(network(nn.GELU(), nn.Tanh()))
    attack = SpearNetwork(layer, time_limit=20.0)
    found = attack(attack.observe(update))
    assert found.status == Status.EXACT
    truth = truth_of(client, batch, layer if layer > 0 else 4)
    assert worst_psnr(found.inputs, truth.inputs) > 80
    product = found.activation_gradients @ found.inputs
    linear = update.layer(layer)
    expected = update.gradients[f"{linear.name}.weight"]
    torch.testing.assert_close(product.float(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("inner", [nn.GELU, nn.Tanh, nn.LeakyReLU, nn.ReLU, nn.SiLU])
def test_a_pair_deep_inside_gives_the_first_layer_away(inner: type[nn.Module]) -> None:
    client, batch, update = shared(network(inner(), inner()), scale=2.0)
    attack = SpearNetwork(1, time_limit=20.0)
    chain = attack.observe(update)
    problems = [pair_problem(chain.pair(k)) for k in range(3)]
    third = SpearPair().reconstruct(problems[2], 0, Budget(20.0))
    assert third.status == Status.EXACT
    found = followed(chain, problems, 2, third, _backward)
    assert found.status == Status.EXACT
    assert worst_psnr(found.inputs, inputs_of(client, batch, 1)) > 80


def test_inputs_that_do_not_explain_the_layers_behind_are_not_exact() -> None:
    _, _, update = shared(network(nn.GELU(), nn.Tanh()))
    behind = torch.randn_like(update.gradients["6.weight"])
    other = replace(update, gradients=update.gradients | {"6.weight": behind})
    attack = SpearNetwork(1, time_limit=1.0)
    found = attack(attack.observe(other))
    assert found.status != Status.EXACT


def test_the_best_conditioned_of_the_largest_rank_comes_first() -> None:
    chain = SpearNetwork().observe(shared(network(nn.Sigmoid(), nn.Sigmoid()))[2])
    problems = [pair_problem(chain.pair(k)) for k in range(3)]
    order = by_condition(problems)
    assert order[0] == 0
    fewer = pair_problem(chain.pair(0), rank=3)
    assert isinstance(fewer, PairProblem)
    assert by_condition([fewer, *problems[1:]])[0] == 1
    assert by_condition([Status.FULL_RANK]) == []


def test_the_pair_that_was_solved_is_told() -> None:
    _, _, update = shared(network(nn.GELU()))
    attack = SpearNetwork(3)
    found = attack(attack.observe(update))
    assert found.details["solved"] in (1.0, 2.0)
    assert found.batch_size == 4


def test_a_chain_ends_at_a_frozen_layer() -> None:
    model = network(nn.GELU(), nn.Tanh())
    model[2].requires_grad_(False)
    client, batch, update = shared(model)
    attack = SpearNetwork(4)
    assert len(attack.observe(update).layers) == 2
    found = attack(attack.observe(update))
    assert found.status == Status.EXACT
    assert worst_psnr(found.inputs, inputs_of(client, batch, 4)) > 60
    with pytest.raises(LayerError, match=r"layer is 1 \(0\), which belongs to no layer pair that"):
        SpearNetwork(1).observe(update)


def test_a_network_without_a_pair_is_refused() -> None:
    alone = nn.Sequential(nn.Linear(40, 10))
    with pytest.raises(LayerError, match=r"layer is 1 \(0\), which belongs to no layer pair;"):
        SpearNetwork().check(alone, Domain.unbounded((40,)))


def test_a_gradient_of_zeros_gives_nothing() -> None:
    _, _, update = shared(network(nn.GELU()))
    zeros = {name: torch.zeros_like(each) for name, each in update.gradients.items()}
    attack = SpearNetwork()
    found = attack(attack.observe(replace(update, gradients=zeros)))
    assert (found.status, found.batch_size) == (Status.ZERO_GRADIENT, 0)


def test_the_call_for_a_network_takes_the_last_layer_too() -> None:
    client, batch, update = shared(network(nn.GELU()))
    found = spear.invert_network(client.network, update.gradients, (40,), layer=3)
    assert found.status == Status.EXACT
    assert "ReLU" not in found.message
    assert worst_psnr(found.inputs, inputs_of(client, batch, 3)) > 80


def zero_biases(model: nn.Sequential) -> nn.Sequential:
    for each in model.modules():
        if isinstance(each, nn.Linear):
            nn.init.zeros_(each.bias)
    return model


def altered(update: Update, names: list[str], change) -> Update:
    return replace(
        update,
        gradients={
            name: change(name, each) if name.split(".")[0] in names else each
            for name, each in update.gradients.items()
        },
    )


@pytest.mark.parametrize("names", [["0", "2"], ["2", "4"], ["4", "6"], ["2", "4", "6"]])
@pytest.mark.parametrize("layer", [1, 3, -1])
def test_a_scale_that_only_some_bias_gradients_have_is_no_proof(
    names: list[str], layer: int
) -> None:
    client, batch, update = shared(zero_biases(network(nn.ReLU(), nn.ReLU())))
    twice = altered(update, names, lambda name, each: 2 * each if "bias" in name else each)
    attack = SpearNetwork(layer, time_limit=0.5, max_starts=300)
    found = attack(attack.observe(twice))
    if found.status == Status.EXACT:
        truth = inputs_of(client, batch, layer if layer > 0 else 4)
        assert worst_psnr(found.inputs, truth) > 80


@pytest.mark.parametrize("names", [["0", "2"], ["0", "2", "4"]])
def test_another_batch_in_some_layers_is_seen_behind_them(names: list[str]) -> None:
    client, _, update = shared(network(nn.ReLU(), nn.ReLU()))
    generator = torch.Generator().manual_seed(7)
    other = client.share(Batch(torch.randn(4, 40, generator=generator), LABELS)).gradients
    both = altered(update, names, lambda name, each: each + other[name])
    attack = SpearNetwork(1, time_limit=0.5, max_starts=300)
    assert attack(attack.observe(both)).status != Status.EXACT


@pytest.mark.parametrize("names", [["4", "6"], ["2", "4", "6"]])
def test_another_batch_behind_is_seen_in_front(names: list[str]) -> None:
    client, _, update = shared(network(nn.ReLU(), nn.ReLU()))
    generator = torch.Generator().manual_seed(7)
    other = client.share(Batch(torch.randn(4, 40, generator=generator), LABELS)).gradients
    mixed = altered(update, names, lambda name, each: other[name])
    attack = SpearNetwork(3, time_limit=0.5, max_starts=300)
    assert attack(attack.observe(mixed)).status != Status.EXACT


def test_a_pair_too_narrow_in_front_is_no_crash() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(40, 6), nn.Tanh(), nn.Linear(6, 60), nn.Tanh(), nn.Linear(60, 60)]
    _, _, update = shared(nn.Sequential(*layers, nn.Tanh(), nn.Linear(60, 10)))
    attack = SpearNetwork(1, time_limit=5.0)
    found = attack(attack.observe(update))
    assert (found.status, found.batch_size) == (Status.FULL_RANK, 0)


def test_what_is_out_of_range_is_told() -> None:
    client, _, update = shared(network(nn.GELU()))
    with pytest.raises(ConfigError, match="time_limit is -1"):
        SpearNetwork(time_limit=-1)
    with pytest.raises(LayerError, match="layer is 0; the network has linear layers 1 to 3"):
        spear.invert_network(client.network, update.gradients, (40,), layer=0)
    nan = altered(update, ["4"], lambda _, each: each * torch.nan)
    with pytest.raises(InvalidObservation, match=r"the gradient of '4\.weight' has 600 entries"):
        SpearNetwork().observe(nan)
