"""Collected results are the recorded ones, without the folders of the machine they ran on."""

import csv
import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image
from support.command import Command, typed

from spear.analysis.records import collect
from spear.analysis.records.frames import load_batches, load_summaries
from spear.analysis.records.store import RESULTS, read_jobs, to_csv
from spear.analysis.records.sums import SUMS, BrokenSums, changed, read_sums

ROOT = RESULTS.parent


def job(
    root: Path, name: str, experiment: str = "sweep", data: str = "data", **columns: str
) -> Path:
    """A complete job's folder with a batch for each letter of `status`; columns as given."""
    folder = root / experiment / name
    folder.mkdir(parents=True)
    columns = {"status": "ab", "psnr": "1.50", "details": '{"starts": 2}', **columns}
    with (folder / "batches.csv").open("w") as file:
        writer = csv.DictWriter(file, ["batch", *columns])
        writer.writeheader()
        for k, status in enumerate(columns["status"]):
            writer.writerow({"batch": k, **columns, "status": status})
    config = {"data_root": data, "output_root": str(root), "dataset": {"root": data}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    summary = {"experiment": experiment, "dataset": "digits", "git_sha": "0123456789"}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "batches.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def spear_collect(monkeypatch, capsys, tmp_path):
    """The command, collecting into `tmp_path / "results"`: exit code, output and errors."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        to = ("--results", tmp_path / "results")
        said = typed(monkeypatch, capsys, "spear", "collect", *arguments, *to)
        return said.code, said.out, said.error

    return run


def test_collected_results_are_the_recorded_ones(tmp_path, monkeypatch, capfd):
    root = tmp_path / ("long name " * 15)
    spear = Command(root / "out", monkeypatch, capfd)
    spear(
        "-m", "dataset=digits", "batch_size=2,3", "n_batches=2", f"data_root='{root / 'my data'}'"
    )
    (collected,) = collect.collect([spear.output_root], tmp_path / "results")
    assert collected.folder == tmp_path / "results" / "main"
    assert {path.name for path in collected.folder.iterdir()} == {"batches.csv", "jobs.json"}
    recorded = sorted(path.parent for path in spear.output_root.rglob("summary.json"))
    assert collected.jobs == [folder.name for folder in recorded]
    assert rows(collected.folder) == [
        {"job": folder.name, **row} for folder in recorded for row in rows(folder)
    ]
    assert not any(str(tmp_path) in path.read_text() for path in collected.folder.iterdir())
    jobs = read_jobs(collected.folder)
    for folder in recorded:
        summary = json.loads((folder / "summary.json").read_text())
        assert jobs[folder.name]["summary"] == summary | {
            "command": jobs[folder.name]["summary"]["command"]
        }
        assert "output_root=outputs" in jobs[folder.name]["summary"]["command"]
        assert jobs[folder.name]["config"]["data_root"] == "data"


def test_runs_and_collected_results_are_the_same_table(tmp_path):
    root = tmp_path / "outputs"
    job(root, "b=10", failure="none")
    job(root, "b=9", details='{"rounds": 1.0}', exact="True")
    job(root, "b=8", psnr="nan", status="abc", lpips="0.5")
    job(root, "123", experiment="other")
    collect.collect([root], tmp_path / "results")
    runs, collected = load_batches(root), load_batches(tmp_path / "results")
    for table, where in ((runs, root), (collected, tmp_path / "results")):
        for drawn in ("picture", "sheet", "texts"):
            assert all(Path(each).is_relative_to(where) for each in table.pop(drawn))
    machine = ["data_root", "output_root", "dataset.root"]
    pd.testing.assert_frame_equal(runs.drop(columns=machine), collected.drop(columns=machine))
    assert collected["job"].unique().tolist() == ["123", "b=10", "b=8", "b=9"]
    pd.testing.assert_frame_equal(load_summaries(root), load_summaries(tmp_path / "results"))


def test_the_sums_of_what_is_collected_are_renewed(tmp_path):
    root, results = tmp_path / "outputs", tmp_path / "results"
    job(root, "b=10")
    job(root, "123", experiment="other")
    collect.collect([root], results)
    first = read_sums(results)
    assert changed(results) == []
    job(root, "b=9")
    collect.collect([root / "sweep"], results)
    assert changed(results) == []
    altered = {path for path, own in read_sums(results).items() if first[path] != own}
    assert altered == {"sweep/batches.csv", "sweep/jobs.json"}


def test_broken_sums_are_refused_before_anything_is_written(tmp_path):
    root, results = tmp_path / "outputs", tmp_path / "results"
    job(root, "b=10")
    results.mkdir()
    (results / SUMS).write_text("=======\n")
    with pytest.raises(BrokenSums):
        collect.collect([root], results)
    assert [path.name for path in results.iterdir()] == [SUMS]


def test_a_folder_of_a_machine_may_be_given_with_a_slash(tmp_path):
    job(tmp_path / "outputs", "b=10", data="/home/me/set/", failure="/home/me/set is missing")
    (collected,) = collect.collect([tmp_path / "outputs"], tmp_path / "results")
    assert rows(collected.folder)[0]["failure"] == "data is missing"


def test_a_column_of_some_jobs_stands_where_they_have_it():
    old = {"batch": "0", "psnr": "1e-05", "failure": "a, b"}
    new = {"batch": "0", "first": "", "psnr": "2.50", "bound": "inf", "failure": ""}
    assert to_csv({"new": [new], "last": [old | {"more": "x"}], "a,1": [old]}) == (
        "job,batch,first,psnr,bound,failure,more\n"
        '"a,1",0,nan,1e-05,nan,"a, b",nan\n'
        'last,0,nan,1e-05,nan,"a, b",x\n'
        "new,0,,2.50,inf,,nan\n"
    )


def test_a_sweep_is_collected_in_parts(tmp_path, spear_collect):
    for name in ("b=4", "b=2"):
        job(tmp_path / "here", name)
    job(tmp_path / "there", "b=3", status="c")
    job(tmp_path / "there", "b=4", status="d")
    spear_collect(tmp_path / "here")
    code, said, _ = spear_collect(tmp_path / "there" / "sweep")
    assert (code, said) == (0, f"{tmp_path}/results/sweep: 2 jobs collected, 1 other kept\n")
    table = load_batches(tmp_path / "results")
    assert table["job"].tolist() == ["b=2", "b=2", "b=3", "b=4"]
    assert table["status"].tolist() == ["a", "b", "c", "d"]
    before = [path.read_text() for path in sorted((tmp_path / "results" / "sweep").iterdir())]
    spear_collect(tmp_path / "there" / "sweep" / "b=3")
    after = [path.read_text() for path in sorted((tmp_path / "results" / "sweep").iterdir())]
    assert after == before


def test_an_incomplete_job_is_named_and_the_others_are_collected(tmp_path, spear_collect):
    job(tmp_path, "b=2")
    (job(tmp_path, "b=3") / "summary.json").unlink()
    begun = tmp_path / "sweep" / "b=4"
    begun.mkdir()
    (begun / "job.log").touch()
    code, said, errors = spear_collect(tmp_path / "sweep")
    assert (code, "1 job collected" in said) == (0, True)
    head, *named = errors.splitlines()
    assert head.startswith("2 incomplete")
    assert [Path(line.strip()).name for line in named] == ["b=3", "b=4"]
    assert load_batches(tmp_path / "results")["job"].unique().tolist() == ["b=2"]


def test_only_folders_of_a_machine_are_renamed(tmp_path):
    folder = job(tmp_path, "a", data="digits", failure=f"no file in {tmp_path}/sweep")
    (collected,) = collect.collect([folder], tmp_path / "results")
    saved = read_jobs(collected.folder)["a"]
    assert saved["summary"]["dataset"] == saved["config"]["data_root"] == "digits"
    assert saved["config"]["output_root"] == "outputs"
    assert rows(collected.folder)[0]["failure"] == "no file in outputs/sweep"


def test_a_picture_goes_with_the_job_that_it_shows(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    spear("dataset=digits", "batch_size=2", "n_batches=1")
    (collected,) = collect.collect([spear.output_root], tmp_path / "results", pictures=True)
    recorded = next(spear.output_root.rglob("reconstructions.png"))
    (picture,) = collected.folder.glob("*.jpg")
    assert picture.stem == recorded.parent.name
    assert Image.open(picture).size == Image.open(recorded).size
    assert load_batches(collected.folder)["picture"].tolist() == [str(picture)]
    assert load_batches(spear.output_root)["picture"].tolist() == [str(recorded)]
    collect.collect([spear.output_root], tmp_path / "results", sheets=True)
    assert not picture.exists()
    (sheet,) = collected.folder.glob("*.png")
    assert Image.open(sheet).size == (2 * 8, 2 * 8)  # two digits above their reconstructions
    assert load_batches(collected.folder)["sheet"].tolist() == [str(sheet)]
    collect.collect([spear.output_root], tmp_path / "results")
    assert not sheet.exists()


def test_sentences_go_with_their_job(tmp_path):
    folder = job(tmp_path, "a")
    (folder / "reconstructions.csv").write_text("sequence,is,text\n")
    (collected,) = collect.collect([folder], tmp_path / "results", texts=True)
    kept = collected.folder / "a.csv"
    assert kept.read_text() == "sequence,is,text\n"
    assert load_batches(collected.folder)["texts"].unique().tolist() == [str(kept)]
    collect.collect([folder], tmp_path / "results")
    assert not kept.exists()


def test_what_cannot_be_collected_is_said_in_one_sentence(tmp_path, spear_collect):
    (tmp_path / "empty").mkdir()
    folder = job(tmp_path / "here", "a")
    again = job(tmp_path / "there", "a")
    for arguments, said in (
        ((folder, tmp_path / "nowhere"), f"the folder {tmp_path / 'nowhere'} does not exist."),
        (
            (tmp_path / "empty",),
            f"there is no complete job (none with a summary.json) in {tmp_path}",
        ),
        ((folder, again), f"{folder} and {again} are the same job of sweep"),
        ((folder, "--images"), f"{folder / 'reconstructions.png'} is missing"),
        ((folder, "--pictures"), f"{folder / 'reconstructions.png'} is missing"),
        ((folder, "--sheets"), f"{folder / 'sheet.png'} is missing"),
        ((folder, "--texts"), f"{folder / 'reconstructions.csv'} is missing"),
    ):
        code, out, errors = spear_collect(*arguments)
        assert (code, out) == (1, "")
        assert errors.startswith(f"spear collect: {said}")
        assert errors.count("\n") == 0
        assert not (tmp_path / "results").exists()


def test_results_are_collected_below_the_working_directory(tmp_path, monkeypatch, capsys):
    job(tmp_path / "outputs", "b=4")
    monkeypatch.chdir(tmp_path)
    said = typed(monkeypatch, capsys, "spear", "collect", "outputs/sweep")
    assert (said.code, said.out) == (0, "results/sweep: 1 job collected\n")
    assert (tmp_path / "results" / "sweep" / "jobs.json").is_file()


class Scanned(str):
    """A text that counts how often it is searched."""

    searches = 0

    def __contains__(self, part: str) -> bool:
        type(self).searches += 1
        return super().__contains__(part)


@pytest.mark.parametrize("jobs", [2, 40])
def test_batches_are_searched_for_folders_once_however_many_jobs_have_them(
    jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search takes as long as there are batches: one for each job would be quadratic."""
    for number in range(jobs):
        job(tmp_path / "runs", f"seed={number}", data="/a/folder", psnr="/a/folder/of mine")
    read = collect.Recorded.from_runs

    def counted(folders: object) -> object:
        found = read(folders)
        return dataclasses.replace(found, batches=Scanned(found.batches))

    monkeypatch.setattr(collect.Recorded, "from_runs", counted)
    monkeypatch.setattr(Scanned, "searches", 0)
    collect.collect([tmp_path / "runs"], tmp_path / "results")
    assert Scanned.searches == 2  # the folder of data, and that of runs
    assert {row["psnr"] for row in rows(tmp_path / "results" / "sweep")} == {"data/of mine"}
