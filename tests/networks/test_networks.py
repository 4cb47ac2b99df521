"""Networks: seeded alone, loaded without trust, and their attackable layers."""

import contextlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from spear.activations import elementwise
from spear.errors import CheckpointError, ConfigError
from spear.layers import linear_layers
from spear.networks import fcnn, load_checkpoint
from spear.networks.activations import ACTIVATIONS, activated_by
from spear.tracing.activations import Activation

SHAPE = (1, 4, 4)


def network(**settings: object) -> nn.Sequential:
    return fcnn(SHAPE, 3, **({"width": 8, "depth": 3} | settings))


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


class TestFcnn:
    def test_layers(self):
        layers = linear_layers(network(depth=4, width=8), SHAPE)
        sizes = [(each.module.in_features, each.module.out_features) for each in layers]
        assert sizes == [(16, 8), (8, 8), (8, 8), (8, 3)]
        assert [bool(each.activation) for each in layers] == [True, True, True, False]

    def test_the_papers_network_is_the_default(self):
        layers = linear_layers(fcnn((3, 32, 32), 10), (3, 32, 32))
        assert len(layers) == 6
        assert {each.module.out_features for each in layers[:-1]} == {200}

    def test_it_computes_what_its_parameters_say(self):
        net = network(depth=2)
        inputs = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(0))
        first, last = (each.module for each in linear_layers(net, SHAPE))
        hidden = (inputs.reshape(5, 16) @ first.weight.T + first.bias).clamp(min=0)
        assert torch.allclose(net(inputs), hidden @ last.weight.T + last.bias, atol=1e-6)

    def test_initialisation_is_pytorchs(self):
        """Uniform in +-1 / sqrt(n), and not degenerate."""
        weight = linear_layers(fcnn((400,), 10, width=300), (400,))[0].module.weight.detach()
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
        with pytest.raises(ConfigError, match=f"{name} is {value}"):
            network(**{name: value})


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


class Tied(nn.Module):
    """Words, and an output layer that is tied to them."""

    def __init__(self, tied: bool = True) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        if tied:
            self.head.weight = self.words.weight


def test_a_checkpoint_may_leave_out_tied_weights(tmp_path):
    saved = {"words.weight": torch.randn(5, 3, generator=torch.Generator().manual_seed(0))}
    path = tmp_path / "model.safetensors"
    save_file(saved, path)
    network = Tied()
    load_checkpoint(network, path)
    assert torch.equal(network.head.weight, saved["words.weight"])
    with pytest.raises(CheckpointError, match=r"Missing key.*head\.weight"):
        load_checkpoint(Tied(tied=False), path)


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "prelu": lambda x: functional.prelu(x, torch.tensor([0.25])),
}
"""Of `torch.nn.functional`, if the name or the arguments there are others."""


class TestActivation:
    def test_a_module_follows_each_hidden_layer(self):
        layers = linear_layers(network(depth=4, activation=nn.Softplus(beta=2.0)), SHAPE)
        between = [each.activation for each in layers[:-1]]
        assert between == [Activation("softplus", beta=2.0, threshold=20.0)] * 3

    def test_each_layer_has_its_own(self):
        given = nn.PReLU()
        net = network(depth=3, activation=given)
        slopes = [each.weight for each in net if isinstance(each, nn.PReLU)]
        assert len({id(each) for each in (*slopes, given.weight)}) == 3

    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_a_name_gives_the_activation_of_that_name(self, name):
        net = network(depth=4, activation=name)
        *hidden, _ = linear_layers(net, SHAPE)
        found = {each.activation for each in hidden}
        assert {each.name for each in found} == {name.removesuffix("_tanh")}
        (called,) = {elementwise(each, dict(net.named_parameters())).name for each in found}
        assert called == name.removesuffix("_tanh")

    @pytest.mark.parametrize(("name", "approximate"), [("gelu", "none"), ("gelu_tanh", "tanh")])
    def test_the_two_gelus(self, name, approximate):
        first = linear_layers(network(activation=name), SHAPE)[0]
        assert first.activation == Activation("gelu", approximate=approximate)

    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_its_values_are_those_of_the_function(self, name):
        function = FUNCTIONS.get(name) or getattr(functional, name)
        x = torch.linspace(-5, 5, 101)
        assert torch.equal(activated_by(name)(x), function(x))

    def test_of_other_weights_nothing_changes(self):
        assert same(network(), network(activation=nn.Tanh()))

    @pytest.mark.parametrize("name", ["cubic", "ReLU", "", None, 3])
    def test_a_name_that_none_has(self, name):
        with pytest.raises(ConfigError, match=f"activation is {name!r}; expected one of relu, "):
            network(activation=name)
