"""What an audit promises beside its verdicts: its budget, its notes on layers, its exit codes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support.command import typed
from torch import nn

from spear.auditing import Verdict, audit
from spear.auditing.report import text
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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that tests set."""
    now = [100.0]
    monkeypatch.setattr("spear.auditing.run.pilot", lambda: 1.0)  # which waits for time to pass
    monkeypatch.setattr("spear.budget.time.perf_counter", lambda: now[0])
    return now


def attacks(
    monkeypatch: pytest.MonkeyPatch, clock: list[float], seconds: Callable[[float], float]
) -> list[float]:
    """The budgets of the attacks, each of which takes a time that depends on its own."""
    given: list[float] = []

    def slow(observed: Observation, side: object, budget: float, seed: int) -> Reconstruction:
        given.append(budget)
        clock[0] += seconds(budget)
        return Reconstruction.empty(*observed.weight_gradient.shape, Status.TIMED_OUT)

    monkeypatch.setattr("spear.auditing.task.attack", slow)
    return given


def test_all_layers_together_keep_the_budget(monkeypatch: pytest.MonkeyPatch, clock: list[float]):
    given = attacks(monkeypatch, clock, lambda budget: 0.5)
    model = mlp()
    audit(model, gradients(model, 4), budget=3.0, input_shape=(20,))
    assert given == pytest.approx([1.0, 1.25, 2.0])  # later layers have what is left


def test_no_layer_is_attacked_after_the_budget(monkeypatch: pytest.MonkeyPatch, clock: list[float]):
    given = attacks(monkeypatch, clock, lambda budget: 9.0)
    model, began = mlp(), clock[0]
    found = audit(model, gradients(model, 4), budget=3.0, input_shape=(20,))
    assert given == [1.0]
    assert clock[0] - began == 9.0
    assert [layer.verdict for layer in found.layers] == [Verdict.PARTIAL] * 3
    assert "have used up the budget, so that it was not attacked" in text(found)


def test_layers_that_are_only_explained_take_no_share(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
):
    given = attacks(monkeypatch, clock, lambda budget: budget)
    model = mlp()
    shared = gradients(model, 4)
    del shared["0.bias"]
    found = audit(model, shared, budget=3.0, input_shape=(20,))
    assert found["0"].verdict is Verdict.NOT_APPLICABLE
    assert given == pytest.approx([1.5, 1.5])


def test_a_test_of_inputs_ends_with_the_budget(clock: list[float], monkeypatch: pytest.MonkeyPatch):
    class Loss(nn.CrossEntropyLoss):
        def forward(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            clock[0] += 0.3
            return super().forward(outputs, labels)

    model, began = mlp(), clock[0]
    found = audit(model, gradients(model, 4), "0", budget=2.0, input_shape=(20,), loss=Loss())
    assert found.verdict is Verdict.CONSISTENT
    assert found["0"].recovery.resimulation.obstacle == "the budget was used up"
    assert clock[0] - began < 2.0 + 0.4


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
