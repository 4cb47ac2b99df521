"""What an audit promises beside its verdicts: its budget, its notes on layers, its exit codes."""

import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support.command import typed
from torch import nn

from spear.auditing import audit
from spear.observation import Observation
from spear.reconstruction import Reconstruction, Status

MODELS = """
import torch
from torch import nn

def mlp():
    torch.manual_seed(0)
    layers = nn.Linear(20, 60), nn.ReLU(), nn.Linear(60, 60), nn.ReLU(), nn.Linear(60, 9)
    return nn.Sequential(*layers)
"""


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(20, 60), nn.ReLU(), nn.Linear(60, 60), nn.ReLU(), nn.Linear(60, 9)
    )


def gradients(model: nn.Module, b: int) -> dict[str, torch.Tensor]:
    inputs = torch.randn(b, 20, generator=torch.Generator().manual_seed(b))
    loss = nn.functional.cross_entropy(model(inputs), torch.arange(b) % 9)
    names = [name for name, _ in model.named_parameters()]
    return dict(zip(names, torch.autograd.grad(loss, [*model.parameters()]), strict=True))


def test_all_layers_together_keep_the_budget(monkeypatch: pytest.MonkeyPatch):
    given = []

    def slow(observed: Observation, side: object, budget: float, seed: int) -> Reconstruction:
        given.append(budget)
        time.sleep(0.1)
        return Reconstruction.empty(*observed.weight_gradient.shape, Status.TIMED_OUT)

    monkeypatch.setattr("spear.auditing.task.attack", slow)
    model = mlp()
    audit(model, gradients(model, 4), budget=3.0, input_shape=(20,))
    assert len(given) == 3
    assert given[0] == pytest.approx(3.0 / 3, abs=0.05)
    assert given[0] < given[1] < given[2] < 3.0 - 2 * 0.1  # later layers have what is left
    given.clear()
    audit(model, gradients(model, 4), budget=0.05, input_shape=(20,))
    assert 0 < given[2] <= given[1] < given[0] < 0.05


def test_layers_that_disagree_on_the_number_of_inputs_are_noted():
    model = mlp()
    agreed = audit(model, gradients(model, 4), budget=3, input_shape=(20,))
    assert not [note for note in agreed.notes if "disagree" in note]
    other = gradients(model, 6)
    mixed = gradients(model, 4) | {name: other[name] for name in ("2.weight", "2.bias")}
    (note,) = audit(model, mixed, budget=3, input_shape=(20,)).notes
    assert note.startswith("The layers disagree on the number of inputs (0: 4, 2: 6, 4: 4),")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 0, ""),
        (("--fail-on", "partial,nothing"), 0, ""),
        (("--fail-on", "exact,approximate"), 3, "exit code 3 by --fail-on: 0 is exact."),
        (("--fail-on", "exact,leaks"), 2, "'exact,leaks'; expected some of exact, consistent"),
        (("--budget", "-1"), 1, "budget is -1.0; expected more than 0 seconds."),
    ],
)
def test_the_exit_code_tells_the_verdict(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    code: int,
    said: str,
):
    (tmp_path / "audited_models.py").write_text(MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    model = mlp()
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    save_file(gradients(model, 4), tmp_path / "update.safetensors")
    outcome = typed(
        monkeypatch, capfd, "spear", "audit", "--model", "audited_models:mlp",
        "--input-shape", "20", "--weights", tmp_path / "weights.safetensors",
        "--update", tmp_path / "update.safetensors",
        "--layer", "0", *options,
    )  # fmt: skip
    assert outcome.code == code, outcome.error
    assert said in outcome.error
