"""Runs with other settings than their experiment's are never compared with the paper."""

import shutil

import pytest
from support.command import Command, typed

import spear.analysis.figures
import spear.analysis.tables
from spear.analysis.overview.claims import claims
from spear.analysis.overview.commands import tables
from spear.analysis.overview.notebook import show
from spear.analysis.records import collect
from spear.analysis.records.own_jobs import NOTES, NoOwnJobs, compares
from spear.analysis.records.sharing import from_json, to_json
from spear.analysis.records.store import JOBS, RESULTS
from spear.analysis.render.packages import modules
from spear.analysis.render.rendering import caption, origin, results_of

TABLE8 = modules(spear.analysis.tables)["table8"]
FOREIGN = "dataset=digits instead of tiny_imagenet"


@pytest.fixture
def own(tmp_path):
    """The committed results of table8, in a folder of its own."""
    shutil.copytree(RESULTS / "table8", tmp_path / "results" / "table8")
    return tmp_path / "results"


def altered(results, change):
    """Change the only job of table8; `change` receives its configuration and its summary."""
    path = results / "table8" / JOBS
    jobs = from_json(path.read_text())
    for job in jobs.values():
        change(job["config"], job["summary"])
    path.write_text(to_json(jobs))


def test_a_table_of_other_results_says_whose_the_captions_numbers_are(own, capsys):
    said = "What the caption says of numbers is about the committed results."
    assert said in caption(TABLE8, results_of(TABLE8, own))
    assert said in show("table8", own).html
    for results in (results_of(TABLE8), results_of(TABLE8, RESULTS)):
        assert said not in caption(TABLE8, results)
    with pytest.raises(SystemExit):
        tables(["table8", "--results", str(own)])
    assert f"This shows {own}. {said}" in (own / "rendered/tables/table8.md").read_text()


def test_an_overridden_run_is_no_row_of_the_papers_table(tmp_path, own, monkeypatch, capfd):
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    job = ("n_batches=1", "dataset=digits", "batch_size=2", "device=cpu")
    assert spear("experiment=table8", *job).code == 0
    alone = tmp_path / "alone"
    collect.collect([spear.output_root], alone)
    for name in ("tables", "claims"):
        said = typed(monkeypatch, capfd, "spear", name, *["table8"][: name == "tables"],
                     "--results", alone)  # fmt: skip
        assert said.code == 1
        assert "not the experiment's settings (" in said.error
        assert FOREIGN in said.error
        assert "batch_size=2 instead of 20" in said.error
        assert "not compared; run the experiment as it is." in said.error
        assert "better" not in said.out + said.error
    with pytest.raises(NoOwnJobs):
        results_of(TABLE8, spear.output_root)
    assert "not compared" in show("table8", alone).text

    before = claims(own)
    collect.collect([spear.output_root], own)
    after = claims(own)
    assert before.equals(after)
    assert before.attrs[NOTES] == []
    assert [FOREIGN in note for note in after.attrs[NOTES]] == [True]
    assert FOREIGN in origin(results_of(TABLE8, own))
    said = typed(monkeypatch, capfd, "spear", "tables", "table8", "--results", own,
                 "--to", tmp_path / "to")  # fmt: skip
    assert said.code == 0
    assert FOREIGN in (tmp_path / "to" / "table8.md").read_text()


def test_a_run_with_fewer_batches_is_compared_and_marked(own, monkeypatch, capfd):
    altered(own, lambda config, summary: [each.update(n_batches=7) for each in (config, summary)])
    note = "table8: fewer batches than the experiment's, 7 instead of 100, in 1 of 1 jobs"
    found = claims(own)
    assert len(found) > 0
    assert found.attrs[NOTES] == [note]
    assert note in origin(results_of(TABLE8, own))
    said = typed(monkeypatch, capfd, "spear", "claims", "--results", own)
    assert f"{note}.\n" in said.error


def test_a_table_without_own_jobs_leaves_the_others_in_place(own):
    shutil.copytree(RESULTS / "table11", own / "table11")
    altered(own, lambda *parts: [each.update(batch_size=3) for each in parts])
    found = claims(own)
    assert set(found["table"]) == {"table11"}
    assert ["batch_size=3 instead of 20" in note for note in found.attrs[NOTES]] == [True]


def test_which_modules_compare():
    comparing = {name for name, each in modules(spear.analysis.tables).items() if compares(each)}
    assert {"table1", "table4_trained", "table6", "table9_scales"} <= comparing
    assert {"scaling", "ablation", "lavp"}.isdisjoint(comparing)
    drawn = {name for name, each in modules(spear.analysis.figures).items() if compares(each)}
    assert drawn == {"table9", "table10", "table11"}
