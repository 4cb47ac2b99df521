"""Tables are what the jobs recorded."""

import json

import pytest

from spear.analysis.records import commands
from spear.analysis.records import frames as summaries
from spear.analysis.records.store import RESULTS, read_jobs
from spear.errors import SpearError
from spear.experiments.job.outcome import JobOutcome
from spear.experiments.job.status import JobState


@pytest.fixture
def runs(tmp_path):
    for b, exact in ((20, 4), (10, 5)):
        folder = tmp_path / f"batch_size={b}"
        folder.mkdir()
        content = {
            "experiment": "main",
            "dataset": "faces",
            "batch_size": b,
            "n_exact": exact,
            "versions": {"torch": "1"},
        }
        (folder / "summary.json").write_text(json.dumps(content))
    return tmp_path


def test_every_summary_is_a_row_sorted_by_its_settings(runs):
    last = runs / "batch_size=9"  # by name, and first by its setting
    last.mkdir()
    content = json.loads((runs / "batch_size=10" / "summary.json").read_text())
    (last / "summary.json").write_text(json.dumps(content | {"batch_size": 9, "n_exact": 3}))
    table = summaries.load_summaries(runs)
    assert list(table["batch_size"]) == [9, 10, 20]
    assert list(table.index) == [0, 1, 2]
    assert list(table["n_exact"]) == [3, 5, 4]
    assert list(table["versions.torch"]) == ["1", "1", "1"]


def test_the_command_prints_chosen_columns(runs, capsys):
    commands.show([str(runs), "batch_size", "n_exact"])
    printed = capsys.readouterr().out
    assert "n_exact" in printed
    assert "20" in printed


def test_what_is_piped_is_not_cut(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    long = "ablation-of-every-part-" * 10
    path = runs / "batch_size=10" / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dataset": long}))
    commands.show([str(runs), "dataset", "batch_size", "n_exact", "versions.torch"])
    rows = [line for line in capsys.readouterr().out.splitlines() if long in line]
    assert len(rows) == 1
    assert "10" in rows[0]


def test_jobs_are_shown_by_what_differs_and_what_was_reached(capsys):
    """Of 12 jobs of `enough_clipping`, with the keys that it sweeps; `drawing` is the same."""
    commands.show([str(RESULTS / "enough_clipping")])
    said = capsys.readouterr().out
    header = next(line for line in said.splitlines() if "outcome" in line)
    jobs = read_jobs(RESULTS / "enough_clipping")
    norms = {str(job["config"]["defense"]["max_norm"]) for job in jobs.values()}
    assert {"batch_size", "max_norm", "images", "PSNR"} <= {*header.replace("┃", " ").split()}
    assert "drawing" not in header
    rows = [line for line in said.splitlines() if line.startswith("│")]
    assert len(rows) == len(jobs)
    assert {f"{float(each):g}" for each in norms} <= {*" ".join(rows).split()}


def test_a_job_without_a_summary_is_shown_with_its_reason(tmp_path, capsys):
    for name, state in (
        ("a", JobState(JobOutcome.DONE)),
        ("b", JobState(JobOutcome.FAILED, "why")),
    ):
        (tmp_path / name).mkdir()
        state.write(tmp_path / name)
    summary = {"experiment": "main", "n_exact": 1, "n_batches": 2}
    (tmp_path / "a" / "summary.json").write_text(json.dumps(summary))
    commands.show([str(tmp_path)])
    said = capsys.readouterr().out
    assert "1 done, 1 failed" in said
    assert "#1 failed: why" in said
    assert "1/2" in said


@pytest.mark.parametrize(("folder", "column"), [("empty", "seed"), (".", "colour")])
def test_what_is_not_there_is_named(runs, folder, column):
    (runs / "empty").mkdir()
    with pytest.raises(SpearError, match="colour" if folder == "." else "empty"):
        commands.show([str(runs / folder), column])


def test_only_an_empty_number_is_missing(tmp_path):
    """Words that pandas takes for missing values are words here: a failure may be "None"."""
    for name, failure in (("a", "None"), ("b", "n/a")):
        folder = tmp_path / name
        folder.mkdir()
        rows = ["batch,status,psnr,failure,details", f"0,NA,nan,{failure},{{}}", "1,NULL,2.5,,{}"]
        (folder / "batches.csv").write_text("\n".join(rows))
        (folder / "config.yaml").write_text("batch_size: 4\n")
        (folder / "summary.json").write_text(json.dumps({"dataset": "faces"}))
    table = summaries.load_batches(tmp_path)
    assert table["failure"].tolist() == ["None", "", "n/a", ""]
    assert table["status"].tolist() == ["NA", "NULL"] * 2
    assert table["psnr"].isna().tolist() == [True, False] * 2
    assert table["psnr"].dtype == float
    assert table["job"].tolist() == ["a", "a", "b", "b"]
    assert table.index.tolist() == [0, 1, 2, 3]
