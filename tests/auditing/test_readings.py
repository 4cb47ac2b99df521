"""An update is taken for what it is, and what an audit cannot see it calls unknown."""

import json
import re
from dataclasses import dataclass

import pytest
import torch
from support.models import digits, mlp
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

import spear
from spear.auditing import Audit, Verdict, audit
from spear.auditing.report import text
from spear.errors import InvalidObservation, SpearError
from spear.experiments.cli import entry as cli
from spear.experiments.cli.entry import without_hyphens
from spear.naming import bare, renamed, unwrapped
from spear.reading import as_gradients


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def gradients(model: nn.Module, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
    functional.cross_entropy(model(inputs), labels).backward()
    return {name: each.grad for name, each in model.named_parameters()}


def after(model: nn.Module, shared: dict[str, Tensor], eta: float) -> dict[str, Tensor]:
    return {name: w.detach() - eta * shared[name] for name, w in model.named_parameters()}


def first(model: nn.Module, update: object, **settings) -> Audit:
    return audit(model, update, "1.0", input_shape=(1, 8, 8), budget=5, **settings)


@pytest.mark.parametrize("form", ["list", "named", "tuple with None", "checkpoint", "float16"])
def test_gradients_are_recognised(form):
    model = mlp()
    shared = gradients(model, *digits(3))
    update = {
        "list": list(shared.values()),
        "named": shared,
        "tuple with None": (*list(shared.values())[:-1], None),
        "checkpoint": {"state_dict": shared, "round": 3},
        "float16": {name: each.half() for name, each in shared.items()},
    }[form]
    found = first(model, update)
    assert found.verdict in (Verdict.EXACT, Verdict.APPROXIMATE)
    assert "read as gradients" in text(found).splitlines()[0]


@pytest.mark.parametrize("as_list", [False, True])
def test_weights_are_recognised_by_their_closeness(as_list):
    model = mlp()
    update = after(model, gradients(model, *digits(3)), 0.1)
    found = first(model, list(update.values()) if as_list else update)
    assert "read as weights after training" in text(found).splitlines()[0]
    assert found.verdict in (Verdict.EXACT, Verdict.APPROXIMATE)


@pytest.mark.parametrize("update", [None, 0.1])
def test_an_update_of_another_type_is_refused_in_a_sentence(update):
    with pytest.raises(InvalidObservation, match=f"the update is {update}; expected gradients"):
        audit(mlp(), update)


def test_a_difference_of_weights_is_read_as_gradients():
    model = mlp()
    shared = {name: -0.01 * each for name, each in gradients(model, *digits(3)).items()}
    assert first(model, shared).verdict is Verdict.EXACT


def test_weights_of_another_network_are_refused():
    with torch.random.fork_rng():
        torch.manual_seed(7)
        other = nn.Sequential(nn.Flatten(), nn.Sequential(*_like(mlp())))
    with pytest.raises(InvalidObservation, match="may be weights after training or gradients"):
        first(mlp(), other.state_dict())
    with pytest.raises(InvalidObservation, match="far from the model's weights"):
        first(mlp(), other.state_dict(), learning_rate=0.1)
    assert first(mlp(), other.state_dict(), form="weights").reading.startswith("weights")


def _like(model: nn.Module) -> list[nn.Module]:
    inner = model[1]
    return [nn.Linear(m.in_features, m.out_features) if isinstance(m, nn.Linear) else m
            for m in inner]  # fmt: skip


def test_gradients_with_a_learning_rate_are_refused():
    model = mlp()
    with pytest.raises(InvalidObservation, match="leave learning_rate out"):
        first(model, gradients(model, *digits(3)), learning_rate=0.1)


def test_the_models_own_weights_teach_nothing():
    found = first(mlp(), mlp().state_dict())
    assert found.verdict is Verdict.NOTHING
    assert "nothing was learnt" in text(found).splitlines()[0]


def test_running_statistics_tell_a_state_from_a_list_of_gradients():
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).eval()
    shared = gradients(model, torch.randn(2, 6), torch.tensor([0, 1]))
    assert as_gradients(model, list(shared.values())).keys() == shared.keys()
    state = list(model.state_dict().values())
    assert all(not each.any() for each in as_gradients(model, state).values())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_module.", "module._orig_mod."])
def test_the_names_of_wrappers_are_recognised(prefix):
    model = mlp().eval()
    shared = {prefix + name: each for name, each in gradients(model, *digits(3)).items()}
    assert first(model, shared).verdict is Verdict.EXACT
    assert first(nn.DataParallel(model), shared).verdict is Verdict.EXACT
    few = spear.GradientMatching(regularisers={}, iterations=2)
    assert spear.match_gradients(model, shared, (1, 8, 8), [0, 1, 2], few).status == "estimated"


def test_a_module_that_is_called_module_keeps_its_name():
    assert renamed(["module.a"], ["module.a", "a"]) == {"module.a": "module.a"}
    assert bare("module.0._orig_mod.weight") == "0.weight"
    model = mlp()
    assert unwrapped(nn.DataParallel(nn.DataParallel(model))) is model


@dataclass
class Outputs:
    logits: Tensor


class Wrapped(nn.Module):
    """Returns its outputs in something else."""

    def __init__(self, wrap) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(40, 100), nn.ReLU(), nn.Linear(100, 6))
        self.wrap = wrap

    def forward(self, x: Tensor):
        return self.wrap(self.net(x))


@pytest.mark.parametrize(
    ("wrap", "logits"),
    [
        (Outputs, lambda out: out.logits),
        (lambda z: {"a": [z, None]}, lambda out: out["a"][0]),
        (lambda z: (Outputs(z), "text"), lambda out: out[0].logits),
    ],
)
def test_outputs_in_containers_are_understood(wrap, logits):
    def loss(out, labels):
        return functional.cross_entropy(logits(out), labels)

    batch = torch.randn(4, 40), torch.tensor([0, 1, 2, 3])
    found = audit(Wrapped(wrap), lambda: batch, "net.0", loss=loss, budget=5)
    assert found.verdict in (Verdict.EXACT, Verdict.CONSISTENT)


def test_outputs_that_are_hidden_leave_a_layer_unknown():
    def loss(out, labels):
        return functional.cross_entropy(out(), labels)

    model = Wrapped(lambda z: lambda: z)
    batch = torch.randn(4, 40), torch.tensor([0, 1, 2, 3])
    found = audit(model, lambda: batch, "net.0", loss=loss, budget=5)
    assert found.verdict is Verdict.CONSISTENT
    assert "not known" in found.layers[0].reasons[0]


class Own(torch.autograd.Function):
    """A ReLU that autograd does not know."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad):
        return grad * (ctx.saved_tensors[0] > 0)


@pytest.mark.parametrize(
    "relu", [Own.apply, lambda x: x * (x > 0), lambda x: torch.where(x > 0, x, 0.0 * x)]
)
def test_a_relu_that_is_not_recognised_is_found_by_the_attack(relu):
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(40, 100), nn.Linear(100, 6)

        def forward(self, x):
            return self.b(relu(self.a(x)))

    batch = torch.randn(4, 40), torch.tensor([0, 1, 2, 3])
    found = audit(Net(), lambda: batch, "a", budget=5)
    assert found.verdict in (Verdict.EXACT, Verdict.CONSISTENT)


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Linear(40, 100), nn.ReLU(), nn.Linear(100, 60), nn.ReLU(),
                         nn.Linear(60, 6))  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: prune.l1_unstructured(m, "weight", amount=0.3), "is computed from other"),
        (nn.utils.weight_norm, "is computed from other"),
        (parametrizations.spectral_norm, "is computed from other"),
        (lambda m: m.requires_grad_(False), "is frozen"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_layer_without_a_gradient_of_its_own_says_why(change, reason):
    model = plain()
    change(model[0])
    batch = torch.randn(4, 40), torch.tensor([0, 1, 2, 3])
    found = audit(model, lambda: batch, budget=5)
    assert reason in found["0"].reasons[0]
    assert found["2"].verdict is Verdict.EXACT


def test_tied_weights_are_named():
    model = nn.Sequential(nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 20))
    model[2].weight = model[0].weight
    found = audit(model, lambda: (torch.randn(2, 20), torch.tensor([0, 1])), budget=1)
    assert "tied to '2.weight'" in found["0"].reasons[0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("layout", [lambda each: each, Tensor.to_sparse])
def test_precisions_and_layouts(dtype, layout):
    model = plain().to(dtype)
    shared = gradients(model, torch.randn(3, 40, dtype=dtype), torch.tensor([0, 1, 2]))
    update = {name: layout(each) for name, each in shared.items()}
    found = audit(model, update, "0", input_shape=(40,), budget=5)
    assert found.verdict in (Verdict.EXACT, Verdict.APPROXIMATE)


@pytest.mark.parametrize("named", [False, True])
def test_several_inputs_and_token_ids(named):
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.emb = nn.Embedding(5, 4, sparse=True)
            self.a, self.b = nn.Linear(14, 100), nn.Linear(100, 4)

        def forward(self, kinds, numbers):
            return self.b(torch.relu(self.a(torch.cat([self.emb(kinds), numbers], 1))))

    inputs = torch.randint(5, (4,)), torch.randn(4, 10)
    given = dict(zip(("kinds", "numbers"), inputs, strict=True)) if named else inputs
    found = audit(Table(), lambda: (given, [0, 1, 2, 3]), "a", budget=5)
    assert found.verdict in (Verdict.EXACT, Verdict.CONSISTENT)


@pytest.mark.parametrize("shape", [(12,), None])
def test_token_ids_alone(shape):
    model = nn.Sequential(nn.EmbeddingBag(50, 30), nn.Linear(30, 90), nn.ReLU(), nn.Linear(90, 5))
    shared = gradients(model, torch.randint(50, (4, 12)), torch.tensor([0, 1, 2, 3]))
    assert audit(model, shared, "1", input_shape=shape, budget=5).verdict is Verdict.EXACT


def test_a_function_that_returns_no_batch_is_refused():
    with pytest.raises(SpearError, match="expected a function that returns a pair"):
        audit(mlp(), lambda: torch.zeros(3))


def test_missing_weights_are_said_first(tmp_path, monkeypatch, capsys):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 80), nn.ReLU(), nn.Linear(80, 3))
    torch.save(gradients(model, *(digits(4)[0], torch.tensor([0, 1, 2, 0]))), tmp_path / "g.pt")
    monkeypatch.setattr("models.mlp", lambda: nn.Sequential(*(m for m in _fresh(model))))
    page, findings = tmp_path / "a.html", tmp_path / "a.json"
    arguments = ["--model", "models:mlp", "--update", tmp_path / "g.pt", "--budget", 0.2]
    arguments += ["--html", page, "--json", findings]
    monkeypatch.setattr("sys.argv", ["spear", "audit", *map(str, arguments)])
    cli.main()
    said = "no --weights were given"
    assert capsys.readouterr().out.startswith(f"Note: {said}")
    assert json.loads(findings.read_text())["notes"][0].startswith(said)
    html = page.read_text(encoding="utf-8")
    assert html.index(f"Note: {said}") < html.index("<strong>")
    assert "λ" in html


def _fresh(model: nn.Sequential) -> list[nn.Module]:
    return [nn.Linear(m.in_features, m.out_features) if isinstance(m, nn.Linear) else m
            for m in model]  # fmt: skip


def test_arguments_of_wandb_agent_are_understood():
    given = ["--batch_size=2", "--attack.layer=1", "--cfg=job", "--config-name=x", "a=--b=1", "-m"]
    assert without_hyphens(given) == [
        *("batch_size=2", "attack.layer=1", "--cfg=job", "--config-name=x", "a=--b=1", "-m")
    ]


def test_the_scale_is_said_to_be_unknown_without_a_learning_rate():
    model = mlp()
    found = first(model, after(model, gradients(model, *digits(3)), 0.1))
    assert re.search("without a learning_rate its scale is unknown", text(found).splitlines()[0])
