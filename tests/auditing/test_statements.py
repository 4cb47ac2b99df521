"""What an audit says of an update is so: inputs counted as found, and their number."""

import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from spear.auditing import Audit, LayerFinding, Verdict, audit
from spear.auditing.report import text
from spear.inversion.factors.factorization import decompose

RIGHT = 0.01


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def gradients(model: nn.Module, *batch: Tensor) -> dict[str, Tensor]:
    functional.cross_entropy(model(batch[0]), batch[1]).backward()
    return {name: each.grad for name, each in model.named_parameters()}


def errors(found: Audit, truth: Tensor) -> list[float]:
    """Relative error of each input that counts as found."""
    recovery, true = found.layers[0].recovery, truth.detach().double()
    shown = [] if recovery is None else recovery.inputs[: recovery.found].double()
    return [float((true - each).norm(dim=1).min() / true.norm(dim=1).mean()) for each in shown]


class Text(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(100, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 256, dropout=0.0, batch_first=True)
        self.enc = nn.TransformerEncoder(layer, 1)
        self.head = nn.Linear(32, 5)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.enc(self.emb(ids)).mean(1))


def test_no_input_of_a_layer_before_something_unknown_counts():
    model, seen = Text(), {}
    layer = model.get_submodule("enc.layers.0.linear2")
    hook = layer.register_forward_pre_hook(lambda _, args: seen.update(x=args[0].flatten(0, 1)))
    shared = gradients(model, torch.randint(100, (2, 12)), torch.randint(5, (2,)))
    hook.remove()
    found = audit(model, shared, "enc.layers.0.linear2", budget=1)
    assert all(each < RIGHT for each in errors(found, seen["x"]))


def test_no_input_counts_before_all_directions_are_known():
    """X^T = Q^-1 R: one wrong column of Q makes every input wrong."""
    model = nn.Sequential(nn.Linear(90, 60), nn.ReLU(), nn.Linear(60, 30))
    inputs = torch.randn(28, 90)
    found = audit(model, lambda: (inputs, torch.randint(30, (28,))), "0", budget=0.2)
    assert all(each < RIGHT for each in errors(found, inputs))
    if found.layers[0].verdict is Verdict.PARTIAL:
        assert "No inputs found for certain" in text(found)


def test_inputs_behind_a_relu_count_one_by_one():
    model = nn.Sequential(
        *(nn.Linear(100, 60), nn.ReLU(), nn.Linear(60, 90), nn.Tanh(), nn.Linear(90, 40))
    )
    inputs, labels = torch.randn(16, 100), torch.randint(40, (16,))
    found = audit(model, lambda: (inputs, labels), "2", budget=0.1)
    assert all(each < RIGHT for each in errors(found, model[:2](inputs)))


@pytest.mark.parametrize("altered", ["clipped", "signs", "none"])
def test_the_number_of_inputs_is_stated_only_with_a_proof(altered):
    model = nn.Sequential(nn.Linear(100, 60), nn.ReLU(), nn.Linear(60, 10))
    shared = gradients(model, torch.rand(5, 100), torch.randint(10, (5,)))
    change = {"clipped": lambda g: g.clamp(-1e-3, 1e-3), "signs": torch.sign}.get(altered)
    shared = {name: change(each) if change else each for name, each in shared.items()}
    said = text(audit(model, shared, "0", input_shape=(100,), budget=0.5))
    claimed = re.findall(r"rank (\d+): so many different inputs", said)
    assert claimed == ([] if change else ["5"])
    admitted = ("if it is an unaltered gradient", "unknown", "these are signs")
    assert not change or any(each in said for each in admitted)


def test_a_batch_larger_than_the_layer_has_no_number():
    model = nn.Sequential(
        *(nn.Linear(50, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 10))
    )
    shared = gradients(model, torch.rand(80, 50), torch.randint(10, (80,)))
    found = audit(model, shared, "2", input_shape=(50,), budget=0.5)
    assert found.verdict is Verdict.NOTHING
    assert "rank is" not in text(found)


def test_every_input_is_said_of_a_whole_batch_only():
    model = nn.Sequential(nn.Linear(64, 120), nn.ReLU(), nn.Linear(120, 10))
    inputs, labels = torch.randn(6, 64), torch.randint(10, (6,))
    assert "every input" in text(audit(model, lambda: (inputs, labels), "0", budget=5))
    labels[:2] = -100
    said = text(audit(model, lambda: (inputs, labels), "0", budget=5))
    assert said.startswith("exact (layer 0): 4 of the batch's 6 different inputs")
    model.zero_grad()
    shared = gradients(model, inputs, labels)
    assert "every input" not in text(audit(model, shared, "0", budget=5))


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-4])
def test_inputs_that_are_always_zero_do_not_hide_the_rank(noise):
    """Black pixels leave columns of zeros, also in the difference of two rounded weights."""
    gradient = torch.randn(80, 7) @ torch.randn(7, 60) + noise * torch.randn(80, 60)
    gradient[:, 40:] = 0.0
    assert decompose(gradient).b == 7
    assert decompose(gradient.T.contiguous()).b == 7


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_an_input_of_zeros_spoils_no_statement(around, noise):
    """It reaches the bias gradient alone, from which all others have their lengths."""

    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(30, 60), nn.Linear(60, 30), nn.Linear(30, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.b(torch.relu(self.a(x))) + (x if around else 0.0))

    inputs, model = torch.randn(4, 30), Around()
    inputs[2] = 0.0
    shared = gradients(model, inputs, torch.tensor([0, 1, 2, 3]))
    shared = {name: g + noise * g.std() * torch.randn_like(g) for name, g in shared.items()}
    found = audit(model, shared, "a", input_shape=(30,), budget=5)
    assert found.verdict is Verdict.PARTIAL
    assert found["a"].recovery.found == 0
    assert "an input of zeros has a gradient, too, or the update was altered" in text(found)


@pytest.mark.parametrize("name", ["0.weight", "2.weight"])
def test_noise_is_not_blamed_where_there_is_none(name):
    """Half the rows of a tensor scaled: no noise, and yet no gradient."""
    model = nn.Sequential(
        *(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 6))
    )
    shared = gradients(model, torch.randn(3, 30), torch.tensor([0, 1, 2]))
    shared[name] = 1.5 * shared[name]
    found = audit(model, shared, input_shape=(30,), budget=5)
    layer = found[name.partition(".")[0]]
    assert layer.verdict in (Verdict.UNCONFIRMED, Verdict.PARTIAL)
    assert layer.recovery.found == 0


@pytest.mark.parametrize("change", [lambda g: g.bfloat16().float(), Tensor.sign])
def test_inputs_behind_a_relu_count_only_if_nothing_but_float32_blurs_them(change):
    model = nn.Sequential(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 20))
    inputs = torch.randn(3, 30)
    shared = gradients(model, inputs, torch.tensor([0, 1, 2]))
    found = audit(model, {k: change(g) for k, g in shared.items()}, "2", budget=1)
    recovery, true = found["2"].recovery, model[:2](inputs).detach().double()
    assert found.verdict is not Verdict.CONSISTENT
    for each in recovery.inputs[: recovery.found].double() if recovery else []:
        assert (true - each).norm(dim=1).min() < 0.05 * true.norm(dim=1).mean()


def test_an_update_that_is_not_finite_behind_a_layer_is_told(capfd):
    model = nn.Sequential(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 6))
    shared = gradients(model, torch.randn(3, 30), torch.tensor([0, 1, 2]))
    shared["2.weight"][0, 0] = torch.nan
    found = audit(model, shared, "0", input_shape=(30,), budget=5)
    assert "the update has entries that are NaN or infinite" in text(found)
    assert not capfd.readouterr().err


def test_a_notebook_shows_a_row_per_layer():
    layer = LayerFinding("fc<1>", 5, 4, Verdict.NOTHING, ("its update is zero",))
    found = Audit((layer,), (), 0.5)
    frame = found.to_frame()
    assert frame[["layer", "verdict", "found"]].to_numpy().tolist() == [["fc<1>", "nothing", 0]]
    assert "fc&lt;1&gt;" in found._repr_html_()
    assert found.to_html().startswith("<!")
