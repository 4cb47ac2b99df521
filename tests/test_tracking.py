"""An offline W&B run, read back, says what the run folder says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import Attacked, Command, draw_nothing


def wandb(*arguments: str) -> str:
    program = Path(sys.executable).with_name("wandb")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    outcome = spear("batch_size=3", "n_batches=3", tracking="offline")
    assert outcome.code == 0
    folder = spear.folder("batch_size=3,n_batches=3")
    (offline,) = (folder / "wandb").glob("offline-run-*")
    return folder, offline, outcome


def test_offline_run_agrees_with_the_run_folder(run):
    folder, offline, outcome = run
    summary = json.loads((folder / "summary.json").read_text())
    records = [
        json.loads(line) for line in wandb("leet", "inspect", "--json", offline).split("\n") if line
    ]
    config = next(r["run"]["config"]["update"] for r in records if r["type"] == "run")
    assert config["batch_size"] == 3
    assert config["attack"]["_target_"] == "spear.inversion.irls.attack.SpearIrls"

    logged = json.loads(wandb("leet", "inspect", "--summary", "--json", offline))
    metrics = logged["summary"] if "summary" in logged else logged["metrics"]
    for key in ("psnr_mean", "accuracy", "n_exact", "seconds_total", "mae_mean"):
        assert metrics[key] == pytest.approx(summary[key])

    (table,) = offline.rglob("*.table.json")
    content = json.loads(table.read_text())
    psnr = content["columns"].index("psnr")
    mean = sum(row[psnr] for row in content["data"]) / len(content["data"])
    assert len(content["data"]) == 3
    assert mean == pytest.approx(summary["psnr_mean"])
    (picture,) = offline.rglob("*.png")
    assert picture.read_bytes() == (folder / "reconstructions.png").read_bytes()
    assert f"wandb sync {offline}" in outcome.out


def test_a_job_that_is_continued_goes_on_in_its_run(tmp_path, monkeypatch, capfd):
    draw_nothing(monkeypatch)
    monkeypatch.setattr("experiments.main.breach", Attacked(stop=2))
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    job = ("dataset=digits", "batch_size=2", "n_batches=3")
    assert spear(*job, tracking="offline").code == 1
    assert spear(*job, tracking="offline").code == 0
    folder = spear.folder("batch_size=2,dataset=digits,n_batches=3")
    stopped, continued = sorted((folder / "wandb").glob("offline-run-*"))
    ids = [re.match(r"offline-run-\d+_\d+-(\w+)", each.name) for each in (stopped, continued)]
    assert all(ids)
    assert ids[0][1] == ids[1][1]  # a second run of the same second has a number behind its name
    text = wandb("leet", "inspect", "--json", continued)
    records = [json.loads(line) for line in text.split("\n") if line]
    run = next(r["run"] for r in records if r["type"] == "run")
    assert (run["run_group"], run["tags"]) == ("main", ["digits", "fcnn", "main", "spear_irls"])
    (table,) = continued.rglob("*.table.json")
    assert len(json.loads(table.read_text())["data"]) == 3
    history = [r["history"]["item"] for r in records if r["type"] == "history"]
    steps = {each["_step"]: each.get("batch/batch") for each in history}
    assert steps == {0: 0, 1: 1, 2: 2, 3: None}  # all batches, then the table of them


def test_wandb_without_login_is_told_in_one_sentence(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "")
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "5")
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    outcome = spear("batch_size=2", "n_batches=1", tracking="online")
    assert outcome.code == 1
    assert "Weights & Biases did not start" in outcome.message
    assert "tracking=offline" in outcome.message
