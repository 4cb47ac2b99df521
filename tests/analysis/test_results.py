"""The results of a folder as one frame: every job, every batch, and what a job has saved."""

import json
import logging
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from matplotlib.figure import Figure
from support.command import draw_nothing, read_rows

import spear
from spear.analysis.overview.tables import markdown
from spear.analysis.records.collect import collect
from spear.analysis.records.frames import load_batches
from spear.analysis.records.run_folder import Damaged
from spear.analysis.records.store import RESULTS
from spear.errors import ConfigError
from spear.experiments.cli.from_python import NotRun
from spear.experiments.config.schema import CONF

QUICK = ("batch_size=2", "n_batches=2", "tracking=off")
DIGITS = "outputs/main/batch_size=2,dataset=digits,n_batches=2"
MNIST = "outputs/main/batch_size=2,dataset=mnist,n_batches=2"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with a sweep of a complete and a failed job, and what `run` returned."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("swept")
        patch.chdir(folder)
        draw_nothing(patch)
        sweep = ("dataset=digits,mnist", f"data_root={folder / 'absent'}", "save=reconstructions")
        return folder, spear.run([*QUICK, *sweep])


@pytest.fixture
def here(swept, monkeypatch, tmp_path):
    """A copy of the folder as working directory."""
    shutil.copytree(swept[0], tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    draw_nothing(monkeypatch)
    return tmp_path / "copy"


def test_a_row_per_batch_and_one_for_a_failed_job(here):
    frame = spear.results()
    assert frame[["job", "batch"]].fillna(-1).values.tolist() == [
        [DIGITS, 0],
        [DIGITS, 1],
        [MNIST, -1],
    ]
    assert list(frame["outcome"]) == ["done", "done", "failed"]
    assert list(frame["dataset"]) == ["digits", "digits", "mnist"]
    assert "not found in root" in frame["reason"][2]
    assert not any(frame["reason"][:2])
    assert list(frame["attack"]) == ["spear_auto"] * 3
    assert list(frame["batch_size"]) == [2] * 3
    assert frame.columns.is_unique


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("batches.csv", b"batch,details\n0,{}\n1\n"),
        ("batches.csv", b"\xff\xfe"),
        ("config.yaml", b"seed: [0"),
        ("summary.json", b'{"experiment": 3}'),
        ("summary.json", b"[]"),
    ],
)
def test_a_damaged_file_fails_its_job_alone(here, name, content):
    whole = spear.results()
    (here / DIGITS / name).write_bytes(content)
    frame = spear.results()
    assert list(frame["job"]) == [DIGITS, MNIST]
    assert list(frame["outcome"]) == ["failed", "failed"]
    assert f"{DIGITS}/{name} is damaged" in frame["reason"][0]
    assert frame["reason"][1] == whole["reason"][2]
    with pytest.raises(Damaged, match=r"restore it from a copy, or delete its folder"):
        collect([here / "outputs"], here / "collected")
    assert not (here / "collected").exists()


def test_the_numbers_are_those_of_the_files(here):
    frame = spear.results("outputs").iloc[:2]
    rows = read_rows(here / DIGITS)
    for name in ("psnr", "seconds", "recovered", "sparsity_matching"):
        assert list(frame[name]) == [float(row[name]) for row in rows]
    assert list(frame["details.starts"]) == [json.loads(row["details"])["starts"] for row in rows]
    assert list(frame["exact"]) == [row["exact"] == "True" for row in rows]
    assert list(frame["network.width"]) == [200, 200]
    summary = json.loads((here / DIGITS / "summary.json").read_text())
    assert set(frame["git_sha"].dropna()) <= {summary["git_sha"]}
    assert set(frame["versions.torch"]) == {summary["versions"]["torch"]}


def test_a_row_per_job_has_the_numbers_of_the_summary(here):
    jobs = spear.results(Path("outputs"), level="jobs")
    assert list(jobs["job"]) == [DIGITS, MNIST]
    batches = spear.results()
    assert jobs["psnr_mean"][0] == pytest.approx(batches["psnr"].mean())
    assert jobs["seconds_total"][0] == pytest.approx(batches["seconds"].sum())
    assert pd.isna(jobs["psnr_mean"][1])
    assert "psnr" not in jobs
    assert "psnr_mean" not in batches


def test_a_pivot_table_takes_truth_values_though_some_are_missing(here):
    table = spear.results().pivot_table(index="attack", columns="dataset", values=["psnr", "exact"])
    assert table["exact", "digits"]["spear_auto"] == 1.0
    assert table["psnr", "digits"]["spear_auto"] > 100


@pytest.mark.parametrize("told", ["interrupted", "running"])
def test_a_job_that_was_stopped_has_the_batches_until_then(here, told):
    (here / DIGITS / "summary.json").unlink()
    path = here / DIGITS / "status.json"
    status = json.loads(path.read_text())
    path.write_text(json.dumps(status | {"outcome": told}))
    frame = spear.results()
    assert list(frame["outcome"]) == ["interrupted", "interrupted", "failed"]
    assert frame["psnr"][:2].notna().all()
    assert list(frame["dataset"]) == ["digits", "digits", "mnist"]


def test_what_was_set_aside_is_left_out(here):
    kept = here / "outputs" / "main" / ".superseded" / "other"
    shutil.copytree(here / DIGITS, kept)
    assert len(spear.results()) == 3


def test_committed_records_are_read_by_the_name_of_their_experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame, batches = spear.results("table11"), load_batches(RESULTS / "table11")
    assert not frame.duplicated(["job", "batch"]).any()
    assert set(frame["outcome"]) == {"done"}
    names = "table11/" + batches["job"].astype(str)
    assert list(zip(frame["job"], frame["psnr"], frame["fedavg.learning_rate"], strict=True)) == (
        list(zip(names, batches["psnr"], batches["fedavg.learning_rate"], strict=True))
    )


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tabel9", "'tabel9' does not exist; did you mean 'table9'?"),
        (None, "there is no folder outputs in "),
        (".", "there are no results in .; expected a folder of runs"),
    ],
)
def test_what_is_not_there_is_said(path, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        spear.results(path)
    assert said in str(error.value)


def test_an_unknown_level_is_refused(here):
    with pytest.raises(ConfigError, match="level is 'cells'; expected 'batches' or 'jobs'"):
        spear.results(level="cells")


# Tensors.


def test_saved_tensors_have_the_quality_that_is_recorded(here):
    saved = spear.reconstructions(DIGITS)
    assert list(saved) == [0, 1]
    for batch, row in enumerate(read_rows(here / DIGITS)):
        true, found = saved[batch]["originals"], saved[batch]["reconstructions"]
        assert true.shape == found.shape == (2, 1, 8, 8)
        assert saved[batch]["found"].all()
        errors = (true.clamp(0, 1) - found.clamp(0, 1)).square().flatten(1).mean(dim=1)
        assert (-10 * errors.log10()).mean().item() == pytest.approx(float(row["psnr"]))


@pytest.mark.parametrize(("job", "said"), [(MNIST, "save=reconstructions"), ("no", "not exist")])
def test_a_job_without_saved_tensors_is_told(here, job, said):
    with pytest.raises(FileNotFoundError, match=said):
        spear.reconstructions(job)


def test_a_result_is_computed_again_only_if_its_tensors_are_missing(here, capsys):
    digits = [*QUICK, "dataset=digits"]
    spear.run(digits)
    assert "complete already" in capsys.readouterr().out
    assert list(spear.reconstructions(DIGITS)) == [0, 1]
    (here / DIGITS / "reconstructions" / "1.safetensors").unlink()
    spear.run([*digits, "save=reconstructions"])
    assert "a result without saved reconstructions was in this folder" in capsys.readouterr().out
    assert list(spear.reconstructions(DIGITS)) == [0, 1]


# Running.


def test_a_run_returns_its_own_results_and_leaves_the_process_as_it_was(swept, here):
    first = swept[1]
    root = logging.getLogger()
    before = (sys.argv, os.getcwd(), root.handlers[:], root.level, dict(os.environ))
    with initialize_config_dir(str(CONF), version_base="1.3"):
        again = spear.run([*QUICK, "dataset=digits"])
        assert GlobalHydra.instance().is_initialized()
    assert not GlobalHydra.instance().is_initialized()
    assert before == (sys.argv, os.getcwd(), root.handlers, root.level, dict(os.environ))
    assert list(again["job"]) == [DIGITS, DIGITS]
    numbers = again.select_dtypes("number").columns.intersection(first.columns)
    assert len(numbers) > 20
    assert np.array_equal(
        again[numbers].astype(float), first.loc[:1, numbers].astype(float), equal_nan=True
    )


def test_a_run_returns_the_failed_jobs_of_a_sweep(swept):
    assert list(swept[1]["outcome"]) == ["done", "done", "failed"]


@pytest.mark.parametrize(
    ("overrides", "error", "said"),
    [
        (["batchsize=2"], NotRun, "did you mean 'batch_size'"),
        (["dataset=mnist", "data_root=absent", *QUICK], NotRun, "not found in root"),
        (["save=all", *QUICK], NotRun, "key 'save' is 'all'; expected reconstructions, or null"),
        ("batch_size=2", ConfigError, r"expected a list of texts, such as \['batch_size=2'\]"),
        (["--help"], ConfigError, "'--help' is no override"),
    ],
)
def test_a_run_without_a_batch_is_an_error(overrides, error, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=said):
        spear.run(overrides)


# Tables and figures.


def test_a_table_is_that_of_the_command():
    found = spear.table("table8")
    committed = (RESULTS / "rendered" / "tables" / "table8.md").read_text()
    assert markdown(found) in committed
    assert found.attrs["caption"].startswith("Table 8: ")
    assert found.attrs["origin"] in committed


def test_a_figure_is_returned_as_an_object(tmp_path):
    found = spear.figure("figure3")
    assert isinstance(found, Figure)
    found.savefig(tmp_path / "figure3.png")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: spear.table("tabel8"), "did you mean 'table8'"),
        (lambda: spear.figure("table8"), "figure 'table8' does not exist"),
    ],
)
def test_an_unknown_name_is_refused(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


def test_a_table_of_results_that_are_not_there_says_how_to_make_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `spear experiment=table8`"):
        spear.table("table8", str(tmp_path))
