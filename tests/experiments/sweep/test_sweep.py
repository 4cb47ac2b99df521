"""Sweeps: a job that fails does not stop the others, and every job is accounted for."""

import json
import os
import re
import shlex
import signal
import sys
from io import StringIO

import numpy as np
import pytest
import torch
from hydra.core.plugins import Plugins
from PIL import Image
from rich.console import Console
from support.command import Attacked, Command, draw_nothing

from spear.experiments.cli import entry as cli
from spear.experiments.job.folder import RunFolder
from spear.experiments.job.outcome import JobOutcome
from spear.experiments.sweep.journal import Entry, Journal
from spear.experiments.sweep.monitor import Sweep
from spear.experiments.sweep.outcomes import METRICS, outcomes_table, reasons, show
from spear.experiments.sweep.progress import SweepBar
from spear.experiments.tracking.terminal import shared_console

SWEEP = ("-m", "dataset=digits", "n_batches=2")


def rows(text: str) -> list[list[str]]:
    """Number, what differs, outcome and reason of each job in the table of jobs."""
    table = text[text.rindex("┃ #") :] if "┃ #" in text else text[text.rindex("┃  # ") :]
    names = [cell.strip() for cell in table.split("\n")[0].split("┃")[1:-1]]
    metrics = {*METRICS, "#", "outcome"}
    found = []
    for line in (each for each in table.splitlines() if each.startswith("│ ")):
        cells = dict(zip(names, (cell.strip() for cell in line.split("│")[1:-1]), strict=True))
        own = " ".join(f"{key}={cell}" for key, cell in cells.items() if key not in metrics)
        reason = re.search(rf"^#{cells['#']} [\w ]+: (.*)$", text, re.M)
        last = reason[1] if reason else ""
        found.append([cells["#"], own, cells["outcome"], last])
    return found


@pytest.fixture
def spear(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("COLUMNS", "2000")
    shared_console.cache_clear()  # it keeps the width that it began with
    draw_nothing(monkeypatch)
    return Command(tmp_path / "out", monkeypatch, capfd)


def test_a_failed_job_is_reported_and_the_others_go_on(spear: Command):
    outcome = spear(*SWEEP, "batch_size=2,5000,3")
    jobs = rows(outcome.out)
    assert outcome.code == 1
    assert [(job[0], job[2]) for job in jobs] == [("0", "done"), ("1", "failed"), ("2", "done")]
    assert "has 797 examples and cannot give a batch of 5000" in jobs[1][3]
    assert "1 of 3 jobs are not done" in outcome.message
    folder = spear.folder("batch_size=5000,dataset=digits,n_batches=2")
    assert "DatasetError" in (folder / "error.txt").read_text()
    status = json.loads((folder / "status.json").read_text())
    assert (status["outcome"], status["reason"]) == ("failed", jobs[1][3])
    assert not (spear.output_root / "main" / ".sweeps").exists()


@pytest.mark.slow
def test_the_command_of_a_failed_job_runs_it_alone(spear: Command, monkeypatch: pytest.MonkeyPatch):
    outcome = spear(*SWEEP, "batch_size=2", "defense._target_=faulty.Crash,faulty.NanOnSecondBatch")
    commands = [line for line in outcome.out.splitlines() if line.startswith("spear ")]
    assert [job[3].split(":")[0] for job in rows(outcome.out)] == [
        "ZeroDivisionError",
        "1 of 2 batches could not be attacked (batch 1",
    ]
    monkeypatch.setattr("sys.argv", shlex.split(commands[0]))
    with pytest.raises(ZeroDivisionError):
        cli.main()
    (alone,) = spear.output_root.rglob("*Crash*/status.json")
    assert json.loads(alone.read_text())["outcome"] == "failed"


def test_a_defense_that_works_is_no_failed_job(spear: Command):
    sweep = (*SWEEP, "batch_size=2", "defense._target_=faulty.ZeroGradient")
    first, again = spear(*sweep), spear(*sweep)
    assert first.code == again.code == 0, first.error
    ((_, _, outcome, reason),) = rows(first.out)
    assert outcome == "done"
    assert reason.startswith("0 of 2 batches recovered: the gradient of the attacked layer is zero")
    assert [job[2:4] for job in rows(again.out)] == [["skipped", reason]]


def test_signs_that_hide_the_rank_are_no_failed_job(spear: Command):
    outcome = spear(*SWEEP, "batch_size=2", "defense=sign,none")
    assert outcome.code == 0, outcome.error
    assert [job[2] for job in rows(outcome.out)] == ["done", "done"]
    reason = next(job[3] for job in rows(outcome.out) if job[3])
    assert reason.startswith("0 of 2 batches recovered: every entry of weight_gradient is 0 or")


def test_a_sweep_that_is_stopped_is_finished_by_the_same_command(
    spear: Command, monkeypatch: pytest.MonkeyPatch
):
    calls = []

    def attacked(*arguments):
        calls.append(arguments[-1])
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return Attacked.breach(*arguments)

    monkeypatch.setattr("spear.experiments.cli.run.breach", attacked)
    stopped = spear(*SWEEP, "batch_size=2,3", "seed=1,2")
    assert stopped.code == 1
    assert "interrupted; what is done is recorded" in stopped.message
    assert [job[2] for job in rows(stopped.out)] == ["done", "interrupted", "not run", "not run"]
    finished = spear(*SWEEP, "batch_size=2,3", "seed=1,2")
    assert finished.code == 0
    assert [job[2] for job in rows(finished.out)] == ["skipped"] + 3 * ["done"]
    assert len(calls) == 4 * 2 + 1  # the batch in flight again


@pytest.mark.slow
def test_a_data_file_that_is_damaged_in_mid_sweep_stops_its_job_only(
    spear: Command, monkeypatch: pytest.MonkeyPatch, tmp_path
):
    noise = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    for name in ("first", "second"):
        (tmp_path / name / "0").mkdir(parents=True)
        for number, picture in enumerate(noise):
            Image.fromarray(picture).save(tmp_path / name / "0" / f"{number}.png")
    whole = {path: path.read_bytes() for path in (tmp_path / "first" / "0").iterdir()}

    def damage() -> None:
        for path, content in whole.items():
            path.write_bytes(content[:100])

    attacked = Attacked(stop=1, how=damage)
    monkeypatch.setattr("spear.experiments.cli.run.breach", attacked)
    sweep = (
        "-m", "dataset=imagenet", "dataset.folder=first,second", f"data_root={tmp_path}",
        "dataset.resolution=32", "batch_size=2", "n_batches=3",
    )  # fmt: skip
    jobs = rows(spear(*sweep).out)
    assert [job[2] for job in jobs] == ["failed", "done"]
    assert re.match(r"\S+/first/0/\d.png cannot be read \(.*\);", jobs[0][3])
    for path, content in whole.items():
        path.write_bytes(content)
    attacked.batches.clear()
    assert [job[2] for job in rows(spear(*sweep).out)] == ["done", "skipped"]
    assert attacked.batches == [2]


@pytest.mark.slow
def test_a_job_that_finds_no_memory_fails_and_is_continued(
    spear: Command, monkeypatch: pytest.MonkeyPatch
):
    attacked = Attacked(stop=1, how=lambda: torch.empty(1 << 46))  # more than can be addressed
    monkeypatch.setattr("spear.experiments.cli.run.breach", attacked)
    jobs = rows(spear(*SWEEP, "batch_size=2,3").out)
    assert [job[2] for job in jobs] == ["failed", "done"]
    assert "allocate" in jobs[0][3]
    attacked.batches.clear()
    assert [job[2] for job in rows(spear(*SWEEP, "batch_size=2,3").out)] == ["done", "skipped"]
    assert attacked.batches == [1]


@pytest.mark.parametrize("sweep", [(), ("-m",)])
def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capfd, sweep
):
    (tmp_path / "file").touch()  # for the superuser, who may write everywhere else
    spear = Command(tmp_path / "file" / "out", monkeypatch, capfd)
    outcome = spear(*sweep, "dataset=digits", "batch_size=2", "n_batches=1")
    assert outcome.code == 1
    assert f"{tmp_path}/file/out" in outcome.message
    assert "set output_root to a folder that can" in outcome.message
    assert "Traceback" not in outcome.error


def test_jobs_that_never_ended_are_told_from_those_that_never_began(tmp_path):
    journal = Journal.new(tmp_path)
    journal.write(0, Entry("a", ["seed=1"], JobOutcome.RUNNING))
    sweep = Sweep(journal, [["seed=1"], ["seed=2"]])
    killed, stopped = sweep.final_entries(early=False), sweep.final_entries(early=True)
    assert killed[0].outcome is JobOutcome.FAILED
    assert "killed" in killed[0].reason
    assert stopped[0].outcome is JobOutcome.INTERRUPTED
    assert killed[1] == stopped[1] == Entry("seed=2", ["seed=2"], JobOutcome.NOT_RUN)
    with RunFolder(tmp_path / "a"):
        assert sweep.final_entries(early=True)[0].outcome is JobOutcome.RUNNING


def test_a_launcher_that_gives_up_leaves_the_table_and_a_sentence(spear, monkeypatch):
    launcher = Plugins.instance().class_name_to_class[
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
    ]
    launch = launcher.launch

    def give_up(self, job_overrides, initial_job_idx):
        launch(self, job_overrides[:1], initial_job_idx)
        raise ConnectionError("a worker is gone")

    monkeypatch.setattr(launcher, "launch", give_up)
    outcome = spear(*SWEEP, "batch_size=2", "seed=1,2")
    assert outcome.code == 1
    assert "the launcher gave up (ConnectionError: a worker is gone)" in outcome.message
    assert [job[2] for job in rows(outcome.out)] == ["done", "not run"]
    assert "Traceback" not in outcome.error


@pytest.mark.parametrize("wrong", ["typo=3", "attack=typo", "hydra/launcher=submitit_local"])
def test_an_error_before_any_job_is_one_sentence_without_a_table(spear, monkeypatch, wrong):
    monkeypatch.setitem(sys.modules, "hydra_plugins.hydra_submitit_launcher", None)
    outcome = spear(*SWEEP, "batch_size=2,3", wrong)
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.message.count("\n") == 0


def test_progress_counts_jobs_and_tells_the_time_left(caplog):
    caplog.set_level("INFO")
    bar = SweepBar(5)
    entries = {
        0: Entry("a", [], JobOutcome.SKIPPED, seconds=1.0),
        1: Entry("b", [], JobOutcome.DONE, seconds=100.0),
        2: Entry("c", [], JobOutcome.FAILED, seconds=50.0),
        3: Entry("d", [], JobOutcome.RUNNING),
    }
    bar.show(entries)
    bar.show(entries)
    (line,) = caplog.messages
    said = "jobs: 3 of 5 ended; 1 running, 1 done, 1 skipped, 1 failed, about 2.5 min left"
    assert line == said


def test_the_table_of_jobs_counts_them(tmp_path):
    console = Console(width=100, record=True, file=StringIO())
    entries = {
        0: Entry("a", ["seed=1", "b=2"], JobOutcome.DONE, seconds=1.25),
        1: Entry("b", ["seed=2", "b=2"], JobOutcome.FAILED, "why"),
    }
    show(outcomes_table(entries, tmp_path), console)
    console.print(*reasons(entries))
    text = console.export_text()
    assert "2 jobs: 1 done, 1 failed" in text
    assert rows(text) == [
        ["0", "seed=1", "done", ""],
        ["1", "seed=2", "failed", "why"],
    ]


SPARSE = {
    "n_exact": 2,
    "n_batches": 2,
    "lambda_mean": 1.0,
    "recovered_mean": 1.0,
    "psnr_mean": 161.25,
    "seconds_median": 123.4,
}
COMMON = {"n_exact": 0, "n_batches": 2, "seconds_median": 123.4}
LABELS = COMMON | {"lambda_mean": None, "label_accuracy_mean": 0.5}
TABLES = COMMON | {"psnr_mean": None, "tabular_accuracy_mean": 0.875}


@pytest.mark.parametrize(
    ("summary", "cells"),
    [
        (SPARSE, {"exact": "2/2", "images": "100%", "PSNR": "161.2"}),
        (LABELS, {"labels": "50%"}),
        (TABLES, {"cells": "88%"}),
    ],
)
def test_the_table_of_jobs_has_the_metrics_that_they_have_at_80_columns(tmp_path, summary, cells):
    entries = {
        number: Entry(
            name,
            ["experiment=paper/table9", "+attack.settings.rounds=1", f"defense.noise_std={noise}",
             f"defense={name}", "dataset=tiny_imagenet"],
            JobOutcome.DONE, seconds=456.7,
        )
        for number, (name, noise) in enumerate([("dpsgd", 0.1), ("sparsification", 1e-05)])
    }  # fmt: skip
    for entry in entries.values():
        (tmp_path / entry.name).mkdir()
        (tmp_path / entry.name / "summary.json").write_text(json.dumps(summary))
    console = Console(width=80, record=True, file=StringIO())
    show(outcomes_table(entries, tmp_path), console)
    lines = console.export_text().splitlines()
    assert lines[0] == "2 jobs: 2 done"
    headings = [cell.strip() for cell in lines[2].split("┃")[1:-1]]
    expected = ["#", "noise_std", "defense", *cells, "seconds", "outcome"]
    assert headings == expected
    for line, entry in zip(lines[4:6], entries.values(), strict=True):
        found = dict(zip(headings, (c.strip() for c in line.split("│")[1:-1]), strict=True))
        assert found["defense"] == entry.name
        assert cells.items() <= found.items()
        assert (found["seconds"], found["outcome"]) == ("123", "done")


def test_a_table_that_is_too_wide_goes_without_lines(tmp_path):
    console = Console(width=80, record=True, file=StringIO())
    keys = {"attack": "label_recovery", "defense": "gaussian_noise", "seed": "16"}
    entries = {
        0: Entry("a", [f"{key}=x" for key in keys], JobOutcome.DONE, seconds=1.0),
        1: Entry("b", [f"{key}={value}" for key, value in keys.items()], JobOutcome.FAILED, "no"),
    }
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "summary.json").write_text(json.dumps(SPARSE))
    show(outcomes_table(entries, tmp_path), console)
    text = console.export_text()
    (line,) = [each for each in text.splitlines() if "label_recovery" in each]
    assert line.split() == ["1", *keys.values(), "-", "-", "-", "-", "failed"]
