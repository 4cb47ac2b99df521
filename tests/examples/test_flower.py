"""The example with Flower: what its server saves gives the clients' pictures away."""

import re
import shlex
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from support.federation import EXAMPLE, OneProcess, Simulation, configuration

from federated.compare import Comparison, arrays, compare, table
from federated.data import private_pictures
from federated.model import Classifier, model_for
from spear.auditing import Verdict
from spear.errors import ConfigError, DatasetError
from spear.experiments.cli import entry as cli

README = (EXAMPLE / "README.md").read_text()
RUNS = re.findall(r"^flwr run .*", README, re.M)
FOUND = (Verdict.EXACT, Verdict.UNCONFIRMED, Verdict.APPROXIMATE)
SAMPLES = 6


@pytest.fixture
def flower():
    pytest.importorskip("flwr", reason="Flower is not installed; `make test-flower` installs it")


def changes(command: str) -> dict:
    """The keys that a `flwr run` sets."""
    words = shlex.split(command)
    given = words[words.index("--run-config") + 1] if "--run-config" in words else ""
    return tomllib.loads("\n".join(given.split()))


@pytest.mark.parametrize("command", RUNS)
def test_every_run_of_the_readme_ends_as_it_says(command, flower, tmp_path):
    asked = configuration() | changes(command)
    smaller = {"dataset": "faces", "samples": SAMPLES, "rounds": 2, "output": str(tmp_path)}
    assert set(asked) == set(configuration())
    compared = compare(OneProcess(asked | smaller).run())
    assert len(compared) == 4
    for each in compared:
        assert each.update.with_suffix(".json").is_file()
        if asked["epsilon"] < np.inf:
            assert each.recovered == 0
        else:
            assert each.verdict in FOUND
            assert each.psnr.min() > 80


def test_clipping_alone_protects_nothing(flower, tmp_path):
    small = {"samples": SAMPLES, "rounds": 1, "output": str(tmp_path), "clipping_norm": 1e-3}
    (first, _) = compare(OneProcess(configuration(**small)).run())
    after, before = (
        np.concatenate([each.ravel() for each in arrays(first.update.with_stem(name))])
        for name in (first.update.stem, "before")
    )
    assert np.linalg.norm(after - before) == pytest.approx(1e-3, rel=1e-3)
    assert first.recovered == SAMPLES


def test_a_later_run_leaves_nothing_of_an_earlier_one(flower, tmp_path):
    small = {"samples": 2, "output": str(tmp_path)}
    OneProcess(configuration(rounds=2, **small), clients=3).run()
    OneProcess(configuration(rounds=1, **small), clients=2).run()
    names = sorted(str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*.npz"))
    of_each = [f"{folder}/client-{k}.npz" for folder in ("clients", "round-1") for k in (0, 1)]
    assert names == sorted([*of_each, "round-1/before.npz"])


def test_the_next_round_starts_from_the_mean(flower, tmp_path):
    small = {"samples": 2, "output": str(tmp_path), "rounds": 2}
    OneProcess(configuration(**small)).run()
    sent = [arrays(tmp_path / "round-1" / f"client-{k}.npz") for k in (0, 1)]
    for mean, *each in zip(arrays(tmp_path / "round-2" / "before.npz"), *sent, strict=True):
        np.testing.assert_allclose(mean, (each[0] + each[1]) / 2, atol=1e-6)


@pytest.mark.slow
def test_flowers_own_command_runs_the_app(flower, tmp_path, monkeypatch, capfd):
    output = tmp_path / "updates"
    with Simulation(tmp_path) as simulation:
        said = simulation(RUNS[0], output, f"samples={SAMPLES} rounds=1")
        missing = f'dataset="cifar10" data-root="{tmp_path}"'
        refused = simulation(RUNS[0], tmp_path / "none", missing)
    assert [each.recovered for each in compare(output)] == [SAMPLES, SAMPLES], said
    assert "data_batch_[1-5] not found" in refused
    monkeypatch.chdir(EXAMPLE)
    (command,) = re.findall(r"^spear audit(?:.*\\\n)*.*", README, re.M)
    command = command.replace("\\\n", "").replace("outputs/federated", str(output))
    page = tmp_path / "audit.html"
    monkeypatch.setattr(sys, "argv", shlex.split(command.replace("audit.html", str(page))))
    cli.main()
    assert f"{SAMPLES} of {SAMPLES} inputs found" in capfd.readouterr().out
    assert page.read_text().count("data:image/png") == SAMPLES


def saved(folder: Path, learning_rate: float) -> torch.Tensor:
    """One step of a client by hand, laid out as the server does it; its pictures."""
    batch = private_pictures("faces", "", client=1, samples=SAMPLES, seed=0)
    torch.manual_seed(0)
    model = model_for("faces")
    before = [each.numpy().copy() for each in model.state_dict().values()]
    torch.nn.functional.cross_entropy(model(batch.inputs), batch.labels).backward()
    torch.optim.SGD(model.parameters(), lr=learning_rate).step()
    (folder / "clients").mkdir()
    (folder / "round-1").mkdir()
    np.savez(folder / "clients" / "client-1.npz", batch.inputs.numpy())
    np.savez(folder / "round-1" / "before.npz", *before)
    after = [each.numpy() for each in model.state_dict().values()]
    np.savez(folder / "round-1" / "client-1.npz", *after)
    return batch.inputs


def test_an_update_by_hand_gives_every_picture_away(tmp_path):
    saved(tmp_path, 0.1)
    (found,) = compare(tmp_path)
    assert found.verdict in FOUND
    assert found.recovered == SAMPLES
    assert found.psnr.min() > 80


def test_a_picture_that_is_not_found_counts_as_black(tmp_path):
    pictures = saved(tmp_path, 0.0)
    (found,) = compare(tmp_path)
    assert found.verdict is Verdict.NOTHING
    mse = ((pictures + 1) / 2).double().square().mean(dim=(1, 2, 3))
    np.testing.assert_allclose(found.psnr, -10 * mse.log10(), rtol=1e-6)


def test_the_table_tells_what_was_recovered():
    console = Console(width=100)
    with console.capture() as shown:
        psnr = np.array([120.0, 19.0])
        update = Path("round-2/client-3.npz")
        console.print(table([Comparison(update, Verdict.PARTIAL, psnr)]))
    row = [cell.strip() for cell in shown.get().splitlines()[3].strip("│").split("│")]
    assert row == ["round-2, client-3", "partial", "1/2", "69.5 dB", "19.0 dB"]


def test_clients_share_no_pictures_and_pixels_are_in_range():
    batches = [private_pictures("faces", "", client, 20, seed=0).inputs for client in range(5)]
    together = torch.cat(batches).flatten(1)
    assert len(together.unique(dim=0)) == 100
    assert together.min() >= -1
    assert together.max() <= 1
    assert together.min() < 0 < together.max()


def test_what_cannot_be_had_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(ConfigError, match="client 5 has no 20 pictures"):
        private_pictures("faces", "", client=5, samples=20, seed=0)
    with pytest.raises(DatasetError, match="not found"):
        private_pictures("cifar10", str(tmp_path), client=0, samples=1, seed=0)
    with pytest.raises(ConfigError, match="expected one of faces, cifar10"):
        model_for("digits")


def test_the_models_take_their_pictures():
    for name, shape in (("faces", (1, 25, 25)), ("cifar10", (3, 32, 32))):
        model = model_for(name)
        assert isinstance(model, Classifier)
        assert model(torch.zeros(2, *shape)).shape == (2, 10)
