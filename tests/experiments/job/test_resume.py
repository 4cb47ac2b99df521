"""Resuming: nothing is lost, nothing is computed twice, and nothing is mixed."""

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from support.command import Attacked, Command, draw_nothing, numbers, read_rows
from support.specs import spec_of

from spear.experiments.job.key import Key

QUICK = ("dataset=digits", "batch_size=2", "n_batches=4")
FOLDER = "batch_size=2,dataset=digits,n_batches=4"


@pytest.fixture
def spear(tmp_path, monkeypatch, capfd):
    draw_nothing(monkeypatch)
    return Command(tmp_path / "out", monkeypatch, capfd)


@pytest.fixture
def attacked(monkeypatch):
    counter = Attacked()
    monkeypatch.setattr("spear.experiments.cli.run.breach", counter)
    return counter


def summary_of(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.parametrize(
    ("choice", "signal_number"),
    [
        (("defense=dpsgd", "defense.noise_std=1e-9"), signal.SIGINT),
        (("attack=geiping", "attack.iterations=20", "network.depth=2"), signal.SIGTERM),
        (("attack=spear", "fedavg=fedavg", "fedavg.epochs=2"), signal.SIGINT),
    ],
)
@pytest.mark.few(1)
def test_a_job_that_is_continued_equals_an_uninterrupted_one_to_the_bit(
    spear, attacked, choice, signal_number
):
    attacked.stop, attacked.how = 2, lambda: os.kill(os.getpid(), signal_number)
    stopped = spear(*QUICK, *choice)
    assert stopped.code == 1
    assert "interrupted; what is done is recorded" in stopped.message
    (folder,) = (path.parent for path in spear.output_root.rglob("batches.csv"))
    assert [row["batch"] for row in read_rows(folder)] == ["0", "1"]
    assert json.loads((folder / "status.json").read_text())["outcome"] == "interrupted"
    continued = spear(*QUICK, *choice)
    assert "2 of 4 batches are there" in continued.out
    assert attacked.batches == [0, 1, 2, 3]
    one_by_one, resumed = read_rows(folder), summary_of(folder)
    shutil.rmtree(spear.output_root)
    spear(*QUICK, *choice)
    assert numbers(one_by_one) == numbers(read_rows(folder))
    assert resumed["data_hash"] == summary_of(folder)["data_hash"]
    assert [run["command"] for run in resumed["earlier_runs"]] == [resumed["command"]]


def test_what_is_complete_is_skipped_and_said_so(spear, attacked):
    spear(*QUICK)
    before = {path: path.stat().st_mtime_ns for path in spear.folder(FOLDER).iterdir()}
    again = spear(*QUICK)
    assert again.code == 0
    assert "complete already" in again.out
    assert "4/4 (100%)" in again.out
    assert attacked.batches == [0, 1, 2, 3]
    after = {path: path.stat().st_mtime_ns for path in spear.folder(FOLDER).iterdir()}
    changed = {path.name for path in after if before[path] != after[path]}
    assert changed <= {"job.log", ".lock"}


def test_force_computes_again_and_keeps_what_was(spear, attacked):
    spear(*QUICK)
    first = read_rows(spear.folder(FOLDER))
    key = summary_of(spear.folder(FOLDER))["key"]
    for times in (2, 3):
        spear(*QUICK, "--force")
        assert attacked.batches == [0, 1, 2, 3] * times
    kept = sorted((spear.folder(FOLDER).parent / ".superseded").iterdir())
    assert [path.name for path in kept] == [f"{FOLDER}~{key}", f"{FOLDER}~{key}.2"]
    assert read_rows(kept[0]) == first
    assert (kept[0] / "reconstructions.png").is_file()


def test_other_code_never_mixes_with_what_is_there(spear, attacked, monkeypatch):
    attacked.stop = 2
    spear(*QUICK)
    rows = read_rows(spear.folder(FOLDER))
    monkeypatch.setattr("spear.experiments.job.key.code_hash", lambda: "another")
    outcome = spear(*QUICK)
    assert "a result of another code was in this folder" in outcome.out
    assert attacked.batches == [0, 1, 0, 1, 2, 3]
    (kept,) = (spear.folder(FOLDER).parent / ".superseded").iterdir()
    assert read_rows(kept) == rows
    assert len(read_rows(spear.folder(FOLDER))) == 4


def test_other_data_never_mix_with_what_is_there(spear, attacked, tmp_path):
    folder = tmp_path / "data" / "imagenet" / "0"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3), dtype=np.uint8)
    for name, picture in enumerate(noise):
        Image.fromarray(picture).save(folder / f"{name}.png")
    job = (
        "dataset=imagenet", "dataset.resolution=32", "batch_size=4", "n_batches=2",
        f"data_root={tmp_path / 'data'}",
    )  # fmt: skip
    spear(*job)
    for name, picture in enumerate(noise):
        Image.fromarray(255 - picture).save(folder / f"{name}.png")
    outcome = spear(*job)
    assert "a result of other data was in this folder" in outcome.out
    assert attacked.batches == [0, 1, 0, 1]
    moved = tmp_path / "moved"
    (tmp_path / "data").rename(moved)
    assert "complete already" in spear(*job[:-1], f"data_root={moved}").out


@pytest.mark.parametrize(
    ("file", "damage", "computed"),
    [
        ("batches.csv", lambda text: text[: len(text) // 2], [1, 2, 3]),
        ("batches.csv", lambda text: text.replace("\n1,exact,True", "\n1,exact,False"), [1, 2, 3]),
        ("batches.csv", lambda text: "", [0, 1, 2, 3]),
        ("batches.csv", lambda text: "\0" * len(text), [0, 1, 2, 3]),
        ("batches.csv", lambda text: text[:-20], [3]),
        ("traces.csv", lambda text: text[: len(text) // 2], [2, 3]),
        ("traces.csv", lambda text: "", [0, 1, 2, 3]),
        ("summary.json", lambda text: text[:-100], []),
        ("status.json", lambda text: text[:-100], [0, 1, 2, 3]),
    ],
)
@pytest.mark.few(1)
def test_a_damaged_file_costs_what_it_held(spear, attacked, file, damage, computed):
    spear(*QUICK)
    folder = spear.folder(FOLDER)
    whole = read_rows(folder)
    (folder / file).write_text(damage((folder / file).read_text()))
    attacked.batches.clear()
    outcome = spear(*QUICK)
    assert outcome.code == 0
    assert attacked.batches == computed
    assert numbers(read_rows(folder)) == numbers(whole)
    assert summary_of(folder)["n_exact"] == 4
    if file == "batches.csv" and len(computed) > 1:  # the last may have been cut off
        assert "batches.csv is damaged" in outcome.out


@pytest.mark.parametrize("n", [1, 12])
def test_the_last_of_many_batches_costs_no_more_than_the_first(spear, attacked, monkeypatch, n):
    """A row and a trace are added; what is there is not written again."""
    replaced: list[str] = []
    replace = os.replace

    def noted(source, target):
        replaced.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr("os.replace", noted)
    assert spear("dataset=digits", "batch_size=2", f"n_batches={n}").code == 0
    assert len(attacked.batches) == n
    assert replaced.count("batches.csv") == replaced.count("traces.csv") == 1
    assert replaced.count("status.json") == 2


def test_a_full_disk_keeps_what_is_there(spear, attacked, monkeypatch):
    def full(path, mode="r", *args, **kwargs):
        if path.name == "batches.csv" and mode == "a" and attacked.batches == [0, 1, 2]:
            with opened(path, mode, *args, **kwargs) as file:
                file.write("2,exact,Tr")  # as much as there was room for
            raise OSError(28, "No space left on device")
        return opened(path, mode, *args, **kwargs)

    opened = Path.open
    monkeypatch.setattr(Path, "open", full)
    outcome = spear(*QUICK)
    assert outcome.code == 1
    assert "No space left on device" in outcome.message
    assert "the same command again" in outcome.message
    assert "Traceback" not in outcome.error
    monkeypatch.setattr(Path, "open", opened)
    spear(*QUICK)
    assert attacked.batches == [0, 1, 2, 2, 3]
    assert [row["batch"] for row in read_rows(spear.folder(FOLDER))] == ["0", "1", "2", "3"]
    assert not (spear.folder(FOLDER) / "error.txt").exists()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_disk_that_fills_up_keeps_what_is_there(small_disk, attacked, monkeypatch, capfd):
    draw_nothing(monkeypatch)
    filler = small_disk / "filler"

    def fill() -> None:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(512))

    attacked.stop, attacked.how = 2, fill
    spear = Command(small_disk / "out", monkeypatch, capfd)
    outcome = spear(*QUICK)
    assert outcome.code == 1
    assert "No space left on device" in outcome.message
    assert "Traceback" not in outcome.error
    filler.unlink()
    assert spear(*QUICK).code == 0
    rows = read_rows(small_disk / "out" / "main" / FOLDER)
    assert [row["batch"] for row in rows] == ["0", "1", "2", "3"]
    # A row may still fit into the last block, and then the summary does not.
    assert attacked.batches in ([0, 1, 2, 3], [0, 1, 2, 2, 3], [0, 1, 2, 3, 3])


def test_two_processes_do_not_run_one_job(spear, attacked):
    spear.folder(FOLDER).mkdir(parents=True)
    with FileLock(spear.folder(FOLDER) / ".lock"):
        outcome = spear(*QUICK)
    assert outcome.code == 1
    assert "another process is running this job" in outcome.message
    assert attacked.batches == []
    assert not (spear.folder(FOLDER) / "error.txt").exists()


def test_a_clock_that_jumps_changes_nothing(spear, attacked, monkeypatch):
    times = iter(range(10**9, 0, -3600))
    monkeypatch.setattr("time.time", lambda: float(next(times)))
    attacked.stop = 2
    spear(*QUICK)
    spear(*QUICK)
    assert attacked.batches == [0, 1, 2, 3]
    rows = read_rows(spear.folder(FOLDER))
    assert all(0 < float(row["seconds"]) < 60 for row in rows)


def test_the_key_knows_what_a_result_depends_on(tmp_path, monkeypatch):
    weights = tmp_path / "net.pt"
    monkeypatch.setenv("SPEAR_PACKAGES", "faulty")

    def key(*overrides: str) -> Key:
        return Key.of(spec_of(f"network.checkpoint={weights}", *overrides).relevant)

    torch.save({"a": 1}, weights)
    first = key()
    places = ("tracking=off", "output_root=elsewhere", f"data_root={tmp_path}", "force=true")
    for irrelevant in places:
        assert key(irrelevant) == first
    for relevant in ("seed=1", "attack=spear", "n_batches=6", "threads=2"):
        assert key(relevant).differences(vars(first)) == ["config"]
    torch.save({"a": 2}, weights)
    assert key().differences(vars(first)) == ["files"]
    foreign = key("attack._target_=faulty.NoMemory").code
    assert foreign != first.code
