"""An offline W&B run, read back, says what the run folder says."""

import json
import re
import subprocess
import sys
import time
from email.message import Message
from pathlib import Path
from unittest.mock import MagicMock
from urllib.error import HTTPError

import pytest
import wandb
from support.command import Attacked, Command, draw_nothing
from support.wandb_server import KEY, wandb_server

from spear.experiments.tracking.wandb import TrackedJob, WandbTracking, no_answer


def wandb_command(*arguments: str) -> str:
    program = Path(sys.executable).with_name("wandb")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def spear(tmp_path, monkeypatch, capfd):
    return Command(tmp_path / "out", monkeypatch, capfd)


@pytest.fixture
def run(spear):
    outcome = spear("batch_size=3", "n_batches=3", tracking="offline")
    assert outcome.code == 0
    folder = spear.folder("batch_size=3,n_batches=3")
    (offline,) = (folder / "wandb").glob("offline-run-*")
    return folder, offline, outcome


def test_offline_run_agrees_with_the_run_folder(run):
    folder, offline, outcome = run
    summary = json.loads((folder / "summary.json").read_text())
    records = [
        json.loads(line)
        for line in wandb_command("leet", "inspect", "--json", offline).split("\n")
        if line
    ]
    config = next(r["run"]["config"]["update"] for r in records if r["type"] == "run")
    assert config["batch_size"] == 3
    assert config["attack"]["_target_"] == "spear.inversion.SpearAuto"
    assert config["choices"]["attack"] == "spear_auto"
    assert {"dataset", "network", "defense", "fedavg", "aggregation"} <= {*config["choices"]}
    assert next(r["run"]["job_type"] for r in records if r["type"] == "run") == "spear_auto"
    rows = [r["history"]["item"] for r in records if r["type"] == "history"]
    values = [value for row in rows for value in row.values()]
    assert not [value for value in values if value == "NaN" or value != value]  # no empty charts
    assert rows[0]["batch/exact"] == 1
    assert "batch/label_l1" not in rows[0]
    captions = [row["images.caption"] for row in rows if "images.caption" in row]
    assert [each.split(":")[0] for each in captions] == ["batch 0", "batch 1", "batch 2"]
    assert "PSNR" in captions[1]

    logged = json.loads(wandb_command("leet", "inspect", "--summary", "--json", offline))
    metrics = logged["summary"] if "summary" in logged else logged["metrics"]
    for key in ("psnr_mean", "accuracy", "n_exact", "seconds_total", "mae_mean"):
        assert metrics[key] == pytest.approx(summary[key])

    (table,) = offline.rglob("*.table.json")
    content = json.loads(table.read_text())
    psnr = content["columns"].index("psnr")
    mean = sum(row[psnr] for row in content["data"]) / len(content["data"])
    assert len(content["data"]) == 3
    assert mean == pytest.approx(summary["psnr_mean"])
    (picture,) = offline.rglob("reconstructions_*.png")
    assert metrics["batch/psnr"]["mean"] == pytest.approx(summary["psnr_mean"])  # not the last
    assert picture.read_bytes() == (folder / "reconstructions.png").read_bytes()
    assert f"wandb sync {offline}" in outcome.out


def test_a_job_that_is_continued_goes_on_in_its_run(spear, monkeypatch):
    draw_nothing(monkeypatch)
    monkeypatch.setattr("spear.experiments.cli.run.breach", Attacked(stop=2))
    job = ("dataset=digits", "batch_size=2", "n_batches=3")
    folder = spear.folder("batch_size=2,dataset=digits,n_batches=3")
    assert spear(*job, tracking="offline").code == 1
    (stopped,) = (folder / "wandb").glob("offline-run-*")
    assert spear(*job, tracking="offline").code == 0
    (continued,) = (folder / "wandb").glob("offline-run-*")  # it has all of the other's batches
    assert continued != stopped
    ids = [re.match(r"offline-run-\d+_\d+-(\w+)", each.name) for each in (stopped, continued)]
    assert all(ids)
    assert ids[0][1] == ids[1][1]  # a second run of the same second has a number behind its name
    text = wandb_command("leet", "inspect", "--json", continued)
    records = [json.loads(line) for line in text.split("\n") if line]
    run = next(r["run"] for r in records if r["type"] == "run")
    assert (run["run_group"], run["tags"]) == ("main", ["digits", "fcnn", "main", "spear_auto"])
    (table,) = continued.rglob("*.table.json")
    assert len(json.loads(table.read_text())["data"]) == 3
    history = [r["history"]["item"] for r in records if r["type"] == "history"]
    steps = {each["_step"]: each.get("batch/batch") for each in history}
    assert steps == {0: 0, 1: 1, 2: 2, 3: None}  # all batches, then the table of them


@pytest.fixture
def online(monkeypatch):
    """Sets the server and the key, which a process otherwise reads once."""

    def choose(url: str, key: str) -> None:
        wandb.teardown()
        monkeypatch.setenv("WANDB_BASE_URL", url)
        monkeypatch.setenv("WANDB_API_KEY", key)

    yield choose
    wandb.teardown()


def test_wandb_without_login_is_told_in_one_sentence(spear, online):
    with wandb_server() as server:
        online(server.url, "")
        outcome = spear("batch_size=2", "n_batches=1", tracking="online")
    assert outcome.code == 1
    assert "Weights & Biases did not start" in outcome.message
    assert "tracking=offline" in outcome.message


def test_without_a_network_an_online_run_is_kept_offline(spear, online):
    online("http://127.0.0.1:9", KEY)
    outcome = spear("dataset=digits", "batch_size=2", "n_batches=1", tracking="online")
    folder = spear.folder("batch_size=2,dataset=digits,n_batches=1")
    (run,) = (folder / "wandb").glob("offline-run-*")
    assert outcome.code == 0
    assert "does not answer (http://127.0.0.1:9: [Errno 111]" in outcome.out
    assert f"wandb sync {run}" in outcome.out


def test_a_server_that_is_lost_costs_a_limited_time(tmp_path, online, monkeypatch):
    monkeypatch.setattr("spear.experiments.tracking.wandb.RECEIVES_WITHIN", 1.0)
    tracking = WandbTracking("online")
    with wandb_server() as server:
        online(server.url, KEY)
        tracking.start(TrackedJob("main", "main", [], "key", {}, tmp_path, records=[]))
    tracking.run.log({"a": 1})
    start = time.monotonic()
    said, sync = tracking.close(failed=False)
    assert time.monotonic() - start < 30
    assert "which the server received only in part" in said
    (run,) = (tmp_path / "wandb").glob("run-*")
    assert sync.endswith(f"wandb sync {run}")


@pytest.mark.parametrize(("status", "answers"), [(404, True), (502, False)])
def test_a_server_answers_with_any_page_but_an_error_of_its_own(monkeypatch, status, answers):
    def fail(url, timeout):
        raise HTTPError(url, status, "no page", Message(), None)

    monkeypatch.setattr("urllib.request.urlopen", fail)
    assert (no_answer("http://server") == "") == answers


def test_wandb_that_cannot_write_costs_no_result(monkeypatch, caplog, tmp_path):
    """Its own exceptions and those of the system end the tracking, not the job."""

    def refuses(**_):
        raise PermissionError("no such home")

    monkeypatch.setattr("wandb.init", refuses)
    tracking = WandbTracking("offline")
    tracking.start(TrackedJob("e", "e", [], "k", {}, tmp_path, []))
    tracking.finish({}, [], tmp_path / "none.png")
    assert tracking.close(failed=False) == []
    assert "the job goes on without it" in caplog.text


@pytest.mark.parametrize("part", ["log", "finish"])
def test_wandb_whose_disk_fills_up_during_a_job_costs_no_result(monkeypatch, caplog, part):
    """What fails after a good start ends the tracking, too."""
    run = MagicMock(dir="run/files")
    getattr(run, part).side_effect = OSError(28, "No space left on device")
    tracking = WandbTracking("offline")
    tracking.run = run
    tracking.batch(MagicMock())
    tracking.close(failed=False)
    assert "No space left on device" in caplog.text
