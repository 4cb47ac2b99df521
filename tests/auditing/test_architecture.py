"""What an architecture says without an update is what audits of updates then find."""

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from spear.activations.piecewise import ReLU
from spear.activations.smooth import GELU
from spear.auditing import Verdict, architecture, audit
from spear.auditing.architecture import most_by_pair, most_by_zeros
from spear.auditing.verdicts import Equation
from spear.errors import VictimError
from spear.experiments.cli import audit as command


def mlp(width: int = 60, classes: int = 10) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(80, width), nn.ReLU(), nn.Linear(width, 50), nn.GELU(), nn.Linear(50, classes)
    )


def verdicts(model: nn.Module, b: int, budget: float = 10.0) -> dict[str, tuple]:
    x, y = torch.randn(b, 80), torch.randint(10, (b,))
    found = audit(model, lambda: (x, y), budget=budget)
    return {each.name: (each.equation, each.verdict) for each in found.layers}


def test_the_equations_are_those_that_an_audit_solves():
    foretold = {each.name: each.equation for each in architecture(mlp(), (80,)).layers}
    assert foretold == {name: equation for name, (equation, _) in verdicts(mlp(), 4).items()}
    assert foretold["0"] is Equation.GRADIENT
    assert foretold["2"] is Equation.INPUT
    assert foretold["4"] is None


def test_beyond_the_largest_batch_nothing_is_exact():
    model = nn.Sequential(nn.Linear(80, 12), nn.ReLU(), nn.Linear(12, 10))
    said = {each.name: each.most for each in architecture(model, (80,)).layers}
    assert said == {"0": 6, "2": 6}
    assert verdicts(model, 3)["0"][1] is Verdict.EXACT
    assert verdicts(model, 12)["0"][1] is Verdict.NOTHING  # full rank


def test_zeros_determine_fewer_inputs_than_either_dimension():
    assert most_by_zeros(200, 3072) == 100  # half of the neurons are inactive
    assert most_by_zeros(200, 21) == 20  # the rank is below the other dimension
    assert most_by_zeros(1, 50) == 0


def test_the_last_layer_hides_one_input_behind_a_softmax():
    """Fewer inputs than classes less one (docs/threat-model.md)."""
    model = nn.Sequential(nn.Linear(20, 100), nn.ReLU(), nn.Linear(100, 10))
    assert architecture(model, (20,)).layers[-1].most == 8


def test_a_pair_needs_as_many_neurons_as_it_has_unknowns():
    """2 b - 1 by forward consistency, 2 b + r - 2 by backward consistency."""
    assert most_by_pair(201, 3072, 200, GELU()) == 100
    backward = most_by_pair(200, 3072, 9, GELU())
    assert 2 * backward + 9 - 2 <= 200 < 2 * (backward + 1) + 9 - 2
    assert most_by_pair(10, 3, 200, ReLU()) == 2


def test_dropout_in_training_mode_changes_what_could_leak():
    model = nn.Sequential(nn.Linear(80, 60), nn.ReLU(), nn.Dropout(0.5), nn.Linear(60, 10))
    training, evaluation = (architecture(model.train(mode), (80,)) for mode in (True, False))
    assert training.layers[0].equation is None
    assert "dropout" in training.layers[0].reasons[0]
    assert evaluation.layers[0].most == 30


def test_positions_count_as_inputs():
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(64, 128), nn.Linear(128, 64)
            self.head = nn.Linear(64, 10)

        def forward(self, x):
            return self.head(self.second(torch.relu(self.first(x))).mean(dim=1))

    assert architecture(Tokens(), (8, 64)).layers[0].most == 63 // 8


def test_what_is_said_is_short_and_a_frame():
    found = architecture(mlp(), (80,))
    assert repr(found) == "<Architecture: 2 of 3 layers, up to 30>"
    assert found.to_frame()["most"].tolist() == [each.most for each in found.layers]
    assert "<table" in found._repr_html_()
    assert found.headline.startswith("2 of 3 fully connected layers could leak (0, 2)")
    none = architecture(nn.Sequential(nn.Linear(5, 3)), (5,))
    assert none.most == 0
    assert none.headline.startswith("No fully connected layer")


def test_a_shape_that_the_model_does_not_take_is_refused():
    with pytest.raises(VictimError):
        architecture(mlp(), (81,))


@pytest.fixture
def mymodels(monkeypatch):
    module = ModuleType("mymodels")
    module.mlp = mlp  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mymodels", module)


def test_the_command_needs_no_update(mymodels, capsys):
    command.main(["--architecture", "mymodels:mlp", "--input-shape", "80"])
    said = capsys.readouterr().out
    assert said.startswith("2 of 3 fully connected layers could leak")
    assert "0 (80 to 60): by zeros of dL/dZ, up to 30 inputs" in said
    assert max(map(len, said.splitlines()[:1])) < 100


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--architecture", "a:b", "--update", "x.npz"], "takes no --update"),
        (["--architecture", "a:b", "--learning-rate", "1"], "takes no --learning-rate"),
        (["--model", "a:b"], "required: --update"),
        (["--model", "a:b", "--architecture", "a:b"], "not allowed with"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments, said, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err
