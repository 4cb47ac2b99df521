"""Networks: seeded alone, loaded without trust, and their attackable layers."""

import contextlib
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from spear.errors import CheckpointError, ConfigError, LayerError
from spear.networks.fully_connected import (
    Sparsity,
    attackable_layer,
    fcnn,
    linear_layers,
    load_checkpoint,
)

SHAPE = (1, 4, 4)


def network(**settings: object) -> nn.Sequential:
    return fcnn(SHAPE, 3, **({"width": 8, "depth": 3} | settings))


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


class TestFcnn:
    def test_layers(self):
        layers = linear_layers(network(depth=4, width=8))
        sizes = [(each.module.in_features, each.module.out_features) for each in layers]
        assert sizes == [(16, 8), (8, 8), (8, 8), (8, 3)]
        assert [each.followed_by_relu for each in layers] == [True, True, True, False]

    def test_the_papers_network_is_the_default(self):
        layers = linear_layers(fcnn((3, 32, 32), 10))
        assert len(layers) == 6
        assert {each.module.out_features for each in layers[:-1]} == {200}

    def test_it_computes_what_its_parameters_say(self):
        net = network(depth=2)
        inputs = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(0))
        first, last = (each.module for each in linear_layers(net))
        hidden = (inputs.reshape(5, 16) @ first.weight.T + first.bias).clamp(min=0)
        assert torch.allclose(net(inputs), hidden @ last.weight.T + last.bias, atol=1e-6)

    def test_initialisation_is_pytorchs(self):
        """Uniform in +-1 / sqrt(n), and not degenerate."""
        weight = linear_layers(fcnn((400,), 10, width=300))[0].module.weight.detach()
        assert weight.abs().max() <= 1 / 20
        assert float(weight.std()) == pytest.approx(1 / 20 / 3**0.5, rel=0.01)

    def test_the_seed_decides(self):
        assert same(network(seed=1), network(seed=1))
        assert not same(network(seed=1), network(seed=2))

    def test_the_global_random_state_neither_matters_nor_changes(self):
        torch.manual_seed(123)
        first = network(seed=1)
        after_network = torch.rand(4)
        torch.manual_seed(123)
        assert torch.equal(torch.rand(4), after_network)
        assert same(network(seed=1), first)

    @pytest.mark.parametrize(("name", "value"), [("width", 0), ("depth", 1), ("depth", -2)])
    def test_impossible_sizes(self, name, value):
        with pytest.raises(ConfigError, match=f"network.{name} is {value}"):
            network(**{name: value})


class TestAttackableLayer:
    def test_it_is_counted_from_one(self):
        net = network(depth=4)
        for index, position in [(1, 1), (2, 3), (3, 5)]:
            layer = attackable_layer(net, index)
            assert layer.module is net[position]
            assert layer.name == str(position)

    def test_names_lead_into_nested_modules(self):
        net = nn.Sequential(OrderedDict(body=network(depth=2), head=nn.Linear(3, 2)))
        assert [each.name for each in linear_layers(net)] == ["body.1", "body.3", "head"]
        assert attackable_layer(net, 1).name == "body.1"

    def test_one_relu_may_serve_several_layers(self):
        relu = nn.ReLU()
        net = nn.Sequential(nn.Linear(4, 5), relu, nn.Linear(5, 6), relu, nn.Linear(6, 2))
        assert [each.followed_by_relu for each in linear_layers(net)] == [True, True, False]

    @pytest.mark.parametrize("index", [-2, 0, 4])
    def test_out_of_range(self, index):
        with pytest.raises(LayerError, match=f"attack.layer is {index}; .* linear layers 1 to 3"):
            attackable_layer(network(), index)

    def test_a_network_without_linear_layers(self):
        with pytest.raises(LayerError):
            attackable_layer(nn.Sequential(nn.Flatten(), nn.ReLU()), 1)

    @pytest.mark.parametrize("activation", [nn.Sigmoid(), nn.Dropout(), nn.Linear(8, 8)])
    def test_anything_but_a_relu_follows(self, activation):
        net = nn.Sequential(nn.Linear(16, 8), activation, nn.ReLU(), nn.Linear(8, 3))
        with pytest.raises(LayerError, match="no ReLU follows"):
            attackable_layer(net, 1)

    @pytest.mark.parametrize(
        "between", [nn.Identity(), nn.Flatten(), nn.Dropout(), nn.MaxPool1d(2)]
    )
    def test_zeros_of_a_relu_may_pass_through_other_modules(self, between):
        net = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), between, nn.Linear(8, 3))
        first, last = linear_layers(net)
        assert (first.preceded_by_relu, last.preceded_by_relu) == (False, True)
        assert attackable_layer(net, 2, Sparsity.INPUT).module is last.module

    def test_which_factors_are_sparse(self):
        first, middle, last = (each.sparsity for each in linear_layers(network(depth=3)))
        assert first == {Sparsity.GRADIENT}
        assert middle == {Sparsity.GRADIENT, Sparsity.INPUT}
        assert last == {Sparsity.INPUT}

    def test_each_error_names_the_attack_that_fits(self):
        net = network(depth=3)
        with pytest.raises(LayerError, match=r"is 3, .* one of \[1, 2\], .*attack=spear_input"):
            attackable_layer(net, 3)
        with pytest.raises(LayerError, match=r"is 1, .* one of \[2, 3\], .*attack=spear_irls"):
            attackable_layer(net, 1, Sparsity.INPUT)

    @pytest.mark.parametrize("sparsity", list(Sparsity))
    def test_neither_before_nor_after(self, sparsity):
        net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2))
        with pytest.raises(LayerError, match="is 1, but no ReLU follows that layer and none prec"):
            attackable_layer(net, 1, sparsity)

    def test_no_bias(self):
        net = nn.Sequential(nn.Linear(16, 8, bias=False), nn.ReLU())
        with pytest.raises(LayerError, match=r"layer 1 \(0\) has no bias; .*Theorem 3\.5"):
            attackable_layer(net, 1)


def as_safetensors(state: dict[str, Tensor], folder: Path) -> Path:
    path = folder / "checkpoint.safetensors"
    save_file(state, path)
    return path


def as_torch(state: object, folder: Path) -> Path:
    path = folder / "checkpoint.pt"
    torch.save(state, path)
    return path


per_format = pytest.mark.parametrize("save", [as_safetensors, as_torch])
Save = Callable[[dict[str, Tensor], Path], Path]


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


class TestCheckpoint:
    @per_format
    def test_round_trip(self, tmp_path, save):
        saved = network(seed=1)
        path = save(saved.state_dict(), tmp_path)
        assert not same(network(seed=2), saved)
        assert same(network(seed=2, checkpoint=path), saved)
        assert same(network(seed=2, checkpoint=str(path)), saved)

    @per_format
    def test_truncated(self, tmp_path, save):
        path = save(network().state_dict(), tmp_path)
        content = path.read_bytes()
        for size in (0, 4, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:size])
            with pytest.raises(CheckpointError, match=path.name):
                network(checkpoint=path)

    @per_format
    @pytest.mark.parametrize("settings", [{"width": 9}, {"depth": 4}, {"depth": 2}])
    def test_another_architecture(self, tmp_path, save, settings):
        path = save(network(**settings).state_dict(), tmp_path)
        with pytest.raises(CheckpointError, match="does not fit the network"):
            network(checkpoint=path)

    @pytest.mark.parametrize("name", ["x.pt", "x.safetensors"])
    def test_garbage(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"<html>404 not found</html>" * 100)
        with pytest.raises(CheckpointError, match=f"{name} "):
            network(checkpoint=tmp_path / name)

    def test_missing(self, tmp_path):
        with pytest.raises(CheckpointError, match="does not exist"):
            network(checkpoint=tmp_path / "nowhere.pt")
        with pytest.raises(CheckpointError, match="does not exist"):
            network(checkpoint=tmp_path)

    @pytest.mark.parametrize("legacy", [False, True], ids=["zip", "plain-pickle"])
    def test_a_pickle_that_runs_code_is_refused(self, tmp_path, legacy):
        pwned = tmp_path / "pwned"
        state = {"1.weight": Malicious(pwned)}
        path = tmp_path / "checkpoint.pt"
        if legacy:
            path.write_bytes(pickle.dumps(state, protocol=2))
        else:
            torch.save(state, path)
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt .* refused"):
            network(checkpoint=path)
        assert not pwned.exists()
        with contextlib.suppress(RuntimeError):
            torch.load(path, weights_only=False)
        assert pwned.exists(), "the file is malicious indeed"

    def test_a_whole_network_is_refused(self, tmp_path):
        path = as_torch(network(), tmp_path)
        with pytest.raises(CheckpointError, match="save the state dict alone"):
            network(checkpoint=path)

    @pytest.mark.parametrize("state", [[1, 2], torch.ones(3), {"1.weight": 3}, {1: torch.ones(3)}])
    def test_something_else_than_a_state_dict(self, tmp_path, state):
        with pytest.raises(CheckpointError, match="does not fit the network"):
            network(checkpoint=as_torch(state, tmp_path))

    def test_a_refused_checkpoint_says_which_file(self, tmp_path):
        path = as_torch(network(width=9).state_dict(), tmp_path)
        with pytest.raises(CheckpointError, match=str(path)):
            load_checkpoint(network(), path)
