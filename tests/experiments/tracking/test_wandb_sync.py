"""What the W&B server is sent: every run once, with nothing missing.

The server is a stand-in on this machine (`wandb_server.py`).
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.command import Command
from support.faulty import Hangs
from support.wandb_server import KEY, ReceivedRun, WandbServer, sync, wandb_server

from benchmarks.killed_sweeps import N_BATCHES as KILLED_BATCHES
from benchmarks.killed_sweeps import Sweep, disturbed
from spear.experiments.record.records import ORDER

SIZES, N_BATCHES = (2, 3), 2

SWEEP_FILE = Path(__file__).parents[3] / "examples" / "wandb_sweep" / "sweep.yaml"


@pytest.fixture(autouse=True)
def own_service(monkeypatch):
    """A command in a process of its own starts a W&B service; this process's would outlive it."""
    monkeypatch.delenv("WANDB_SERVICE", raising=False)


@pytest.mark.slow
def test_a_sweep_is_uploaded_whole_and_every_run_once(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    sizes = ",".join(map(str, SIZES))
    outcome = spear("-m", f"batch_size={sizes}", f"n_batches={N_BATCHES}", tracking="offline")
    assert outcome.code == 0
    folders = {folder.name: folder for folder in (tmp_path / "out" / "main").glob("batch_size=*")}
    places = [folder / "wandb" for folder in folders.values()]
    with wandb_server() as server:
        assert "Syncing 2 run(s)" in sync(server, *places)
        assert {run.display_name for run in server.runs.values()} == set(folders)
        for run in server.runs.values():
            agrees(run, folders[run.display_name])
        assert [run.created for run in server.runs.values()] == [1, 1]

        assert "No runs to sync" in sync(server, *places)
        assert [run.created for run in server.runs.values()] == [1, 1]

        sync(server, "--include-synced", *places)  # sent once more, each takes its own place
        assert len(server.runs) == len(SIZES)
        for run in server.runs.values():
            agrees(run, folders[run.display_name])
        assert server.unknown == []


def agrees(run: ReceivedRun, folder: Path, n_batches: int = N_BATCHES) -> None:
    """All that the run folder says has arrived, and arrived at the right run."""
    assert run.group == "main"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config = {key: value for key, value in config.items() if value != {}}  # W&B drops empty ones
    assert {key: run.config[key] for key in config} == config
    summary = json.loads((folder / "summary.json").read_text())
    assert {key: run.summary[key] for key in plain(summary)} == pytest.approx(plain(summary))

    batches = [row for row in run.history if "batch/batch" in row]
    assert [row["batch/batch"] for row in batches] == list(range(n_batches))
    mean = sum(row["batch/psnr"] for row in batches) / n_batches
    assert mean == pytest.approx(summary["psnr_mean"])

    table = json.loads(run.files[run.summary["batches"]["path"]])
    assert table["columns"] == [*ORDER]
    assert len(table["data"]) == n_batches
    assert any(name.endswith("batches.table.json") for name in run.artifact_files())
    picture = run.files[run.summary["reconstructions"]["path"]]
    assert picture == (folder / "reconstructions.png").read_bytes()
    assert run.completed


def plain(summary: dict[str, Any]) -> dict[str, Any]:
    """The numbers and texts of a summary."""
    return {key: value for key, value in summary.items() if isinstance(value, int | float | str)}


def start(server: WandbServer, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """The `spear` command in a process of its own, which reads once where the server is."""
    return subprocess.Popen(
        [sys.executable, "-m", "spear.experiments.cli.entry", *arguments],
        env=os.environ | {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY} | variables,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_run_that_is_tracked_online_arrives_while_it_runs(tmp_path):
    keys = ["batch_size=2", f"n_batches={N_BATCHES}"]
    with wandb_server() as server:
        said, _ = start(server, *keys, "tracking=online", f"output_root={tmp_path}").communicate()
        (run,) = server.runs.values()
        agrees(run, tmp_path / "main" / ",".join(keys))
        assert f"W&B run: {server.url}/someone/spear/runs/" in said


@pytest.mark.slow
@pytest.mark.parametrize("tracking", ["online", "offline"])
@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_a_job_that_was_killed_and_continued_arrives_once_and_whole(tmp_path, tracking, kill):
    hung = tmp_path / "hung"
    arguments = [
        "dataset=digits", "batch_size=2", "n_batches=4", "defense._target_=faulty.Hangs",
        f"tracking={tracking}", f"output_root={tmp_path}",
    ]  # fmt: skip
    variables = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "SPEAR_PACKAGES": "faulty",
        Hangs.MARKER: str(hung),
        "WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "0.5",
    }
    with wandb_server() as server:
        killed = start(server, *arguments, **variables)

        def is_cut_short() -> bool:
            rows = [row for run in server.runs.values() for row in run.history]
            return hung.exists() and len(rows) == (tracking == "online")

        while killed.poll() is None and not is_cut_short():
            time.sleep(0.05)
        assert killed.poll() is None, killed.communicate()[0]
        kill(killed.pid, signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
        continued = start(server, *arguments, **variables)
        said, _ = continued.communicate()
        assert continued.returncode == 0, said
        assert "1 of 4 batches are there" in said
        (folder,) = (path.parent for path in tmp_path.rglob("summary.json"))
        if tracking == "offline":
            sync(server, folder / "wandb")
        (run,) = server.runs.values()
        agrees(run, folder, n_batches=4)
        assert [row["_step"] for row in run.history] == [0, 1, 2, 3, 4]
        assert server.unknown == []


@pytest.mark.slow
def test_a_sweep_that_is_killed_again_and_again_arrives_with_every_run_once(tmp_path):
    sweep = Sweep("basic", 2, tmp_path / "sweep", tracking="offline")
    _, recorded_again = disturbed(sweep, 3, False, random.Random(0))
    assert recorded_again == 0
    assert len(sweep.jobs) == 4 * 2
    with wandb_server() as server:
        sync(server, *(job / "wandb" for job in sweep.jobs))
        runs = {run.display_name: run for run in server.runs.values()}
        assert len(server.runs) == len(runs) == len(sweep.jobs)
        for job in sweep.jobs:
            agrees(runs[job.name], job, KILLED_BATCHES)
        assert server.unknown == []


@pytest.mark.slow
def test_an_agent_runs_the_sweep_that_is_committed_as_an_example(tmp_path):
    content = yaml.safe_load(SWEEP_FILE.read_text())
    content["command"].insert(2, f"output_root={tmp_path / 'out'}")
    content["parameters"]["defense.noise_std"]["values"] = [1e-6]
    content["parameters"]["seed"]["values"] = [1]
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(content))
    programs = str(Path(sys.executable).parent)
    with wandb_server() as server:
        own = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
        own |= {"PATH": os.pathsep.join([programs, os.environ["PATH"]])}

        def wandb(*arguments: str) -> str:
            done = subprocess.run(
                ["wandb", *arguments], cwd=tmp_path, env=os.environ | own, check=True,
                capture_output=True, text=True, timeout=600,
            )  # fmt: skip
            return done.stdout + done.stderr

        assert "wandb agent someone/spear/sweep0" in wandb("sweep", str(path))
        wandb("agent", "someone/spear/sweep0")
        assert [*server.runs] == ["run0", "run1"]
        assert [run.config["batch_size"] for run in server.runs.values()] == [4, 8]
        for run in server.runs.values():
            assert (run.group, run.config["defense"]["noise_std"]) == ("noise", 1e-6)
            assert run.summary["n_batches"] == 2
        assert server.unknown == []
    assert len([*(tmp_path / "out" / "noise").glob("*/summary.json")]) == 2
