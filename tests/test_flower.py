"""The example with Flower: what its server saves gives the clients' pictures away."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from experiments import cli
from experiments.main import CONF
from federated.compare import Comparison, compare, table
from federated.data import private_pictures
from federated.model import Classifier, model_for
from spear.auditing import Verdict
from spear.errors import ConfigError, DatasetError

EXAMPLE = CONF.parent / "examples" / "flower"
README = (EXAMPLE / "README.md").read_text()
RUNS = [line for line in README.splitlines() if line.startswith("flwr run")]
FOUND = (Verdict.EXACT, Verdict.UNCONFIRMED, Verdict.APPROXIMATE)
SUPERLINK = ("--insecure", "--simulation", "--isolation", "subprocess", "--host", "127.0.0.1")
CLIENTS = "num-supernodes=2 client-resources-num-cpus=1"
SAMPLES = 6
SECONDS = 300


class Federation:
    """Flower's simulation of two clients, by the `flwr` command as a user types it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._bin = Path(sys.executable).parent
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        (home / "config.toml").write_text(
            '[superlink]\ndefault = "here"\n'
            f'[superlink.here]\naddress = "127.0.0.1:{self._port}"\ninsecure = true\n'
        )
        self._environment = os.environ | {
            "FLWR_HOME": str(home),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
            "OMP_NUM_THREADS": "1",
            "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(CONF.parent),
        }

    def __enter__(self) -> "Federation":
        with (self.home / "log").open("w") as log:
            self._superlink = subprocess.Popen(
                [self._bin / "flower-superlink", *SUPERLINK, "--port", self._port],
                env=self._environment,
                cwd=self.home,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + SECONDS
        while not self._answers():
            alive = self._superlink.poll() is None and time.monotonic() < end
            assert alive, (self.home / "log").read_text()
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._superlink.pid, signal.SIGTERM)
        try:
            self._superlink.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._superlink.pid, signal.SIGKILL)
            self._superlink.wait()

    def __call__(self, command: str, overrides: str) -> tuple[Path, str]:
        """Where the run has put its updates, and what it said."""
        output = self.home / f"output-{time.monotonic_ns()}"
        smaller = f'dataset="faces" samples={SAMPLES} rounds=1 output="{output}" {overrides}'
        done = subprocess.run(
            [*shlex.split(command), "--run-config", smaller, "--federation-config", CLIENTS],
            env=self._environment,
            cwd=EXAMPLE,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return output, done.stdout + done.stderr

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self._port))) == 0


@pytest.fixture(scope="module")
def federation(tmp_path_factory):
    pytest.importorskip("flwr", reason="Flower is not installed; `make test-flower` installs it")
    with Federation(tmp_path_factory.mktemp("flower")) as running:
        yield running


@pytest.mark.parametrize("command", RUNS)
def test_every_run_of_the_readme_ends_as_it_says(command, federation):
    output, said = federation(command, "")
    compared = compare(output)
    assert len(compared) == 2, said
    for each in compared:
        assert each.update.with_suffix(".json").is_file()
        if "epsilon" in command:
            assert each.recovered == 0
        else:
            assert each.verdict in FOUND
            assert each.psnr.min() > 80


def test_the_audit_command_takes_what_the_server_saved(federation, tmp_path, monkeypatch, capfd):
    output, said = federation("flwr run . --stream", "")
    monkeypatch.chdir(EXAMPLE)
    (command,) = re.findall(r"^spear audit(?:.*\\\n)*.*", README, re.M)
    command = command.replace("outputs/federated", str(output)).replace("audit.html", "page.html")
    page = tmp_path / "page.html"
    monkeypatch.setattr(sys, "argv", shlex.split(command.replace("page.html", str(page))))
    cli.main()
    assert f"{SAMPLES} of {SAMPLES} inputs found" in capfd.readouterr().out, said
    assert page.read_text().count("data:image/png") == SAMPLES


def test_a_run_without_its_data_says_which(federation, tmp_path):
    output, said = federation("flwr run . --stream", f'dataset="cifar10" data-root="{tmp_path}"')
    assert "data_batch_[1-5] not found" in said
    assert not list(output.glob("round-*/client-*"))


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
