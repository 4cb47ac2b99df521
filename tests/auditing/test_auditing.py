"""`spear.audit`: verdicts on models that were not made for it, and how they are told."""

import json
import re

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from support.models import digits, mlp
from torch import Tensor, nn
from torch.nn import functional

import spear
from spear.auditing import Audit, Verdict, audit
from spear.auditing.recovery import CONFIRMED, largest_error
from spear.auditing.report import as_json, html, text
from spear.auditing.verdicts import Equation
from spear.auditing.victim import locate
from spear.errors import ConfigError, InvalidObservation, LayerError, VictimError
from spear.experiments.cli import entry as cli
from spear.reading import as_gradients

RIGHT = 1e-3


class LeNet(nn.Module):
    """The network of PyTorch's CIFAR-10 tutorial and Flower's quickstart."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(functional.relu(self.conv1(x)))
        x = self.pool(functional.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = functional.relu(self.fc1(x))
        x = functional.relu(self.fc2(x))
        return self.fc3(x)


def smooth(activation: nn.Module) -> nn.Sequential:
    """Two layers with an activation between, before a classifier."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 80), activation, nn.Linear(80, 60), nn.ReLU(),
            nn.Linear(60, 10),
        )  # fmt: skip


class Dropped(nn.Module):
    """Everything written as functions, dropout right after the first ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(12, 40), nn.Linear(40, 3)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.relu_(self.first(x.reshape(len(x), -1)))
        return self.second(self.drop(hidden))


class HeadFirst(nn.Module):
    """Modules registered in another order than they run."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(50, 10)
        self.middle = nn.Linear(80, 50)
        self.stem = nn.Linear(64, 80)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x.flatten(1)))
        return self.head(functional.relu(self.middle(x)))


class HeadBeforeConvolution(nn.Module):
    """A convolution whose classifier is registered before it."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4 * 28 * 28, 10)
        self.conv = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).flatten(1))


def normal(b: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(b)
    return torch.randn(b, 1, 8, 8, generator=generator), torch.arange(b) % 10


def gradients(model: nn.Module, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
    functional.cross_entropy(model(inputs), labels).backward()
    return {name: each.grad.clone() for name, each in model.named_parameters()}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def verdicts(found: Audit) -> list[Verdict]:
    return [layer.verdict for layer in found.layers]


def assert_right(found: Audit) -> None:
    """What is claimed is right, by the true batch, which the audit was given."""
    for layer in found.layers:
        if layer.verdict in (Verdict.EXACT, Verdict.CONSISTENT):
            assert layer.recovery.error < RIGHT


class TestVerdicts:
    def test_plain_network(self):
        found = audit(mlp(), lambda: normal(4), budget=5)
        assert verdicts(found) == [Verdict.EXACT] * 3
        assert_right(found)
        assert found["1.0"].recovery.resimulation.residual < CONFIRMED
        labels = found["1.0"].recovery.resimulation.labels
        assert sorted(labels.tolist()) == [0, 1, 2, 3]

    def test_without_the_batch_it_says_the_same(self):
        model = mlp()
        found = audit(model, gradients(model, *normal(4)), input_shape=(1, 8, 8), budget=5)
        assert verdicts(found) == [Verdict.EXACT] * 3

    def test_without_a_shape_layers_may_be_registered_in_any_order(self):
        model = HeadFirst()
        found = audit(model, gradients(model, *normal(4)), budget=5)
        assert [layer.name for layer in found.layers] == ["stem", "middle", "head"]
        assert verdicts(found) == [Verdict.EXACT] * 3
        assert "the model runs on inputs of shape (64,)" in found.notes

    def test_batch_norm_and_dropout(self):
        mixed = torchvision.ops.MLP(64, [80, 10], norm_layer=nn.BatchNorm1d, dropout=0.2)
        model = nn.Sequential(nn.Flatten(), mixed)
        found = audit(model, lambda: normal(6), budget=2)
        assert found["1.0"].verdict is Verdict.NOT_APPLICABLE
        assert "statistics" in found["1.0"].reasons[0]
        assert found["1.4"].verdict is Verdict.CONSISTENT
        assert "masks" in found["1.4"].recovery.resimulation.obstacle
        assert_right(found)

    def test_convolutions_before(self):
        found = audit(LeNet(), lambda: (torch.rand(4, 3, 32, 32), torch.arange(4)), "fc1", budget=5)
        assert verdicts(found) == [Verdict.EXACT]
        assert "convolutions" in " ".join(found.notes)
        assert_right(found)

    def test_a_layer_that_another_gives_away(self):
        """As many inputs as classes hide their number from the last layer; the first gives it."""
        model, batch = mlp(), digits(12)
        found = audit(model, lambda: batch, budget=2)
        others = [layer.name for layer in found.layers if layer.verdict is not Verdict.EXACT]
        assert found["1.0"].verdict is Verdict.EXACT
        assert found[others[-1]].verdict is Verdict.NOTHING
        assert found.consequences["1.0"] == tuple(others)
        for said in (text(found), html(found)):
            assert f"found at 1.0 give the update of {' and '.join(others)}, too" in said
        assert json.loads(as_json(found))["consequences"]["1.0"] == others

    def test_a_layer_whose_update_was_altered_does_not_follow(self):
        model = mlp()
        altered = gradients(model, *digits(12))
        altered["1.6.weight"] = altered["1.6.weight"].flip(1)
        found = audit(model, altered, input_shape=(1, 8, 8), budget=2)
        assert found["1.0"].verdict is Verdict.UNCONFIRMED
        assert found.consequences == {}

    def test_table(self):
        model = torchvision.ops.MLP(30, [60, 40, 2])
        found = audit(model, lambda: (torch.rand(8, 30), torch.arange(8) % 2), budget=2)
        assert found["0"].verdict is Verdict.EXACT
        assert found["6"].verdict is Verdict.NOTHING  # two classes show no number of inputs
        assert_right(found)

    def test_dropout_after_the_relu(self):
        model = Dropped()
        batch = torch.randn(2, 3, 4), torch.tensor([0, 1])
        found = audit(model, lambda: batch, "first", budget=1)
        assert verdicts(found) == [Verdict.NOT_APPLICABLE]
        assert "dropped" in found["first"].reasons[0]
        found = audit(model.eval(), lambda: batch, "first", budget=2)
        assert found["first"].verdict is Verdict.EXACT
        assert_right(found)

    def test_inputs_that_two_classes_merge(self):
        """With all neurons on for all inputs their weighted mean has the same gradient."""
        model = nn.Sequential(nn.Linear(5, 30), nn.ReLU(), nn.Linear(30, 2))
        with torch.no_grad():
            model[0].bias.fill_(10.0)
        found = audit(model, lambda: (torch.rand(3, 5), torch.tensor([0, 0, 0])), budget=1)
        assert found["0"].recovery.status == "exact"
        assert found["0"].recovery.error > RIGHT
        assert found["0"].verdict is Verdict.CONSISTENT

    @pytest.mark.parametrize(
        ("layer", "why"),
        [
            (nn.Linear(8, 8, bias=False), "no bias"),
            (nn.Sequential(nn.Linear(8, 8), nn.LogSigmoid()), "a log-sigmoid after"),
            (nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Dropout()), "a tanh after"),
            (nn.Sequential(nn.ReLU(), nn.Linear(8, 4), nn.Linear(4, 8), nn.ReLU()), "narrower"),
        ],
    )
    def test_why_not(self, layer, why):
        model = nn.Sequential(layer, nn.Linear(8, 3))
        found = audit(model, lambda: (torch.rand(2, 8), torch.tensor([0, 1])), budget=1)
        assert found.layers[0].verdict is Verdict.NOT_APPLICABLE
        assert why in found.layers[0].reasons[0]

    @pytest.mark.parametrize("activation", [nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU])
    def test_any_activation_before_another_linear_layer(self, activation):
        model, batch = smooth(activation()), normal(4)
        found = audit(model, lambda: batch, "1", budget=20)
        assert verdicts(found) == [Verdict.EXACT]
        assert found["1"].equation is Equation.PAIR
        assert "whose update tells the activations" in found["1"].reasons[0]
        assert "The equations of both layers hold (relative error" in text(found)
        assert "λ" not in text(found)
        assert_right(found)

    def test_an_altered_next_layer_is_not_exact(self):
        model = smooth(nn.GELU())
        altered = gradients(model, *normal(4))
        altered["3.weight"] = altered["3.weight"].flip(1)
        found = audit(model, altered, "1", input_shape=(1, 8, 8), budget=2)
        assert found["1"].verdict is Verdict.PARTIAL
        assert found["1"].recovery.found == 0

    @pytest.mark.parametrize("missing", [True, False])
    def test_a_next_layer_that_is_not_shared_says_so(self, missing):
        model = smooth(nn.GELU())
        shared = gradients(model, *normal(4))
        if missing:
            del shared["3.weight"]
        else:
            model[3].weight.requires_grad_(False)
        found = audit(model, shared, "1", input_shape=(1, 8, 8), budget=2)
        assert verdicts(found) == [Verdict.NOT_APPLICABLE]
        assert "the next layer, 3" in found["1"].reasons[0]

    @pytest.mark.slow
    def test_classifier_of_alexnet(self):
        model = torchvision.models.alexnet()
        batch = torch.rand(4, 3, 64, 64), torch.arange(4)
        found = audit(model, lambda: batch, budget=30)
        assert found["classifier.1"].verdict is Verdict.NOT_APPLICABLE
        assert_right(found)
        assert audit(model.eval(), lambda: batch, "classifier.1", budget=30).verdict in (
            Verdict.EXACT,
            Verdict.PARTIAL,
        )


def test_inputs_that_are_not_finite_are_infinitely_wrong():
    found = torch.tensor([[1.0, 2.0], [float("nan"), 0.0]])
    assert largest_error(found, torch.ones(2, 2)) == float("inf")


class TestModel:
    def test_the_model_stays_as_it_was(self):
        model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))
        before = {name: each.clone() for name, each in model.state_dict().items()}
        audit(model, lambda: (torch.rand(3, 4), torch.tensor([0, 1, 0])), budget=1)
        for name, each in model.state_dict().items():
            assert torch.equal(each, before[name])
        assert all(each.grad is None for each in model.parameters())

    @pytest.mark.parametrize(
        ("model", "layers", "shape"),
        [
            (HeadFirst(), ["stem", "middle", "head"], (64,)),
            (HeadBeforeConvolution(), ["head"], (1, 28, 28)),
            (LeNet(), ["fc1", "fc2", "fc3"], (3, 32, 32)),
            (nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Flatten(), nn.Linear(5, 3)), ["2"], (5,)),
        ],
    )
    def test_the_shape_of_an_input_is_guessed(self, model, layers, shape):
        found, example, _ = locate(model, None, None)
        assert [each.name for each in found] == layers
        assert [each.index for each in found] == [*range(1, len(layers) + 1)]
        assert example.shape == (2, *shape)

    def test_a_shape_that_no_layer_tells_is_not_guessed(self):
        found, example, note = locate(nn.Sequential(nn.Flatten(2), nn.Linear(9, 2)), None, None)
        assert (len(found), example) == (1, None)
        assert "give one as input_shape" in note


class TestUpdates:
    def test_weights_after_a_step_are_gradients(self):
        model = mlp()
        shared = gradients(model, *digits(3))
        after = {k: each.detach() - 0.5 * shared[k] for k, each in model.named_parameters()}
        for name, each in as_gradients(model, after, learning_rate=0.5).items():
            torch.testing.assert_close(each, shared[name], atol=1e-6, rtol=0)
        arrays = [each.numpy() for each in after.values()]
        for name, each in as_gradients(model, arrays, learning_rate=0.5).items():
            torch.testing.assert_close(each, shared[name], atol=1e-6, rtol=0)

    @pytest.mark.parametrize(
        ("update", "message"),
        [
            ({}, "holds no gradients"),
            ({"nix": torch.zeros(3)}, "'nix', which is no parameter"),
            ({"1.0.weight": torch.zeros(3)}, "has shape (3,); expected (80, 64), the parameter's"),
            ({"1.0.weight": "nix"}, "is a str; expected a tensor"),
            ([np.zeros(3)], "a list of 1 arrays; expected 6"),
        ],
    )
    def test_others_are_refused(self, update, message):
        with pytest.raises(InvalidObservation, match=re.escape(message)):
            audit(mlp(), update)

    def test_bad_settings_are_refused(self):
        model = mlp()
        shared = gradients(model, *digits(3))
        with pytest.raises(LayerError, match="'nix'; expected one of"):
            audit(model, shared, "nix")
        with pytest.raises(ConfigError, match="budget is 0"):
            audit(model, shared, budget=0)
        with pytest.raises(VictimError, match="does not run on a batch of shape"):
            audit(model, shared, input_shape=(3, 3))
        with pytest.raises(VictimError, match="do not take a batch of shape"):
            audit(model, lambda: (torch.rand(2, 5), torch.zeros(2)))


class TestReport:
    def test_text_json_and_page(self):
        found = audit(mlp(), lambda: digits(6), "1.0", budget=5)
        assert text(found).startswith("exact (layer 1.0): every input was reconstructed exactly")
        said = json.loads(as_json(found))
        assert said["verdict"] == "exact"
        assert said["layers"][0]["recovery"]["inputs"] == [6, 64]
        page = html(found)
        assert page.count("data:image/png;base64,") == 6
        assert "<script" not in page

    def test_printed_it_reads_like_the_command_without_tensors(self):
        found = audit(mlp(), lambda: digits(6), "1.0", budget=5)
        assert str(found) == text(found).rstrip("\n")
        assert repr(found) == "<Audit exact (1.0: exact)>"
        assert "tensor(" not in repr(found.layers)

    def test_rows_of_a_table_by_name(self):
        model = torchvision.ops.MLP(3, [40, 4])
        rows = torch.tensor([[1.0, 2.0, 3.0], [5.0, 4.0, -1.0]])
        found = audit(model, lambda: (rows, torch.tensor([0, 1])), budget=2)
        page = html(found, ["age", "<hours>", "gain"])
        assert "<th>age</th><th>&lt;hours&gt;</th>" in page
        assert found["0"].verdict is Verdict.EXACT
        assert re.search(r"<td>5</td><td>4</td><td>-1</td>", page)


class TestCommand:
    def run(self, monkeypatch, *arguments):
        monkeypatch.setattr("sys.argv", ["spear", "audit", *map(str, arguments)])
        cli.main()

    def test_files_in_report_out(self, tmp_path, monkeypatch, capsys):
        model = mlp()
        save_file(model.state_dict(), tmp_path / "w.safetensors")
        save_file(gradients(model, *digits(4)), tmp_path / "g.safetensors")
        monkeypatch.setattr("models.mlp", mlp)
        self.run(
            monkeypatch, "--model", "models:mlp", "--weights", tmp_path / "w.safetensors",
            "--update", tmp_path / "g.safetensors", "--input-shape", "1,8,8", "--layer", "1.0",
            "--html", tmp_path / "a.html", "--json", tmp_path / "a.json",
        )  # fmt: skip
        assert "exact (layer 1.0)" in capsys.readouterr().out
        assert "data:image/png" in (tmp_path / "a.html").read_text()
        assert json.loads((tmp_path / "a.json").read_text())["verdict"] == "exact"

    def test_lists_of_arrays(self, tmp_path, monkeypatch, capsys):
        model = mlp()
        before = [each.numpy() for each in model.state_dict().values()]
        shared = gradients(model, *digits(4))
        after = [w - g.numpy() for w, g in zip(before, shared.values(), strict=True)]
        np.savez(tmp_path / "before.npz", *before)
        np.savez(tmp_path / "after.npz", *after)
        self.run(
            monkeypatch, "--model", "models:mlp", "--weights", tmp_path / "before.npz",
            "--update", tmp_path / "after.npz", "--layer", "1.0", "--budget", "5",
        )  # fmt: skip
        assert re.search("4 of 4 inputs found", capsys.readouterr().out)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--model", "nix", "--update", "u.pt"), "expected package.module:factory"),
            (("--model", "models:nix", "--update", "u.pt"), "cannot be imported"),
            (("--model", "models:digits", "--update", "u.pt"), "without arguments"),
            (("--model", "models:mlp", "--update", "u.pt"), "u.pt does not exist"),
            (("--model", "models:mlp", "--update", "u.npz"), "u.npz does not exist"),
        ],
    )
    def test_errors_are_sentences(self, monkeypatch, arguments, message):
        with pytest.raises(SystemExit, match=message):
            self.run(monkeypatch, *arguments)


def test_it_is_one_call():
    assert spear.audit is audit
