"""`spear show`: the table of a sweep's end again, in the order of what differs, at any width."""

import json
import re
import shutil
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from rich.console import Console
from support.command import Command, typed

from spear.analysis.records.glance import _choices, glance
from spear.experiments.sweep.order import place


def test_numbers_are_in_order_of_size_and_before_words():
    values = ["none", "10", "9", "1e-05", "-", "all"]
    assert sorted(values, key=lambda each: place([each])) == [
        "1e-05",
        "9",
        "10",
        "-",
        "all",
        "none",
    ]


def test_what_comes_first_decides():
    assert sorted([("b", 2), ("a", 10), ("a", 9)], key=place) == [("a", 9), ("a", 10), ("b", 2)]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A sweep whose folders are in another order by name, and what its end printed."""
    root = tmp_path_factory.mktemp("outputs")
    silent = SimpleNamespace(readouterr=lambda: SimpleNamespace(out="", err=""))
    console = Console(width=80, file=StringIO(), record=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spear.experiments.sweep.monitor.shared_console", lambda: console)
        keys = ["-m", "dataset=digits", "n_batches=1", "batch_size=3,10", "defense=clipping"]
        Command(root, patch, silent)(*keys, "name=mine", "defense.max_norm=10,9.5")
    return root / "mine", console.export_text()


def test_without_a_folder_it_shows_the_one_where_the_command_writes(
    sweep, tmp_path, monkeypatch, capfd
):
    (tmp_path / "outputs").symlink_to(sweep[0].parent)
    monkeypatch.chdir(tmp_path)
    assert "4 jobs: 4 done" in typed(monkeypatch, capfd, "spear", "show").out


def test_reasons_are_those_of_the_sweeps_end(tmp_path, monkeypatch, capfd):
    spear = Command(tmp_path / "out", monkeypatch, capfd)
    wrong = "defense._target_=faulty.NanOnSecondBatch,faulty.ZeroGradient"
    limited = spear("-m", "dataset=digits", "n_batches=2", "batch_size=5000,2", "name=mine", wrong)
    end = [line for line in limited.out.splitlines() if re.match(r"#\d", line)]
    assert [line.split(":")[0] for line in end] == [
        "#0 failed",
        "#1 failed",
        "#2 failed",
        "#3 done",
    ]
    said = typed(monkeypatch, capfd, "spear", "show", tmp_path / "out" / "mine").out
    for line in (each.split(";")[0] for each in end):
        assert line in said


def lines(text: str) -> list[list[str]]:
    return [re.split(r"\s*[│┃]\s*", line)[1:-1] for line in text.splitlines() if line[:1] in "│┃"]


def shown(folder: Path, width: int) -> str:
    console = Console(width=width, file=StringIO(), force_terminal=True, record=True)
    glance(folder, console)
    return console.export_text()


def test_the_same_columns_and_numbers_as_at_the_sweeps_end(sweep):
    folder, end = sweep
    (first, *jobs), (again, *later) = lines(end), lines(shown(folder, 80))
    assert {*first} == {*again}
    assert "seconds: median per batch" in " ".join(end.split())
    cells = [dict(zip(first, job, strict=True)) for job in jobs]
    assert [dict(zip(again, job, strict=True)) for job in later] == cells


def test_a_choice_within_a_part_is_shown_if_it_does_not_follow_from_the_part():
    jobs = pd.DataFrame(
        [("spear_irls", "full", "none", "a"), ("spear_noisy", None, "leverage", "b")],
        columns=["attack", "attack/settings", "attack/kernels", "job"],
    )
    assert _choices(jobs) == ["attack"]
    assert _choices(jobs.assign(attack="spear_irls")) == [
        "attack",
        "attack/settings",
        "attack/kernels",
    ]


def test_jobs_of_several_sweeps_are_in_the_order_of_what_differs(sweep, tmp_path):
    copy = tmp_path / "mine"
    shutil.copytree(sweep[0], copy)
    for path in copy.rglob("status.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"number": 0}))
    heading, *jobs = lines(shown(copy, 80))
    columns = [heading.index(each) for each in ("max_norm", "batch_size")]
    assert [[job[k] for k in columns] for job in jobs] == [
        ["9.5", "3"], ["9.5", "10"], ["10", "3"], ["10", "10"],
    ]  # fmt: skip


def test_chosen_columns_are_in_order_too(sweep, monkeypatch, capfd):
    said = typed(monkeypatch, capfd, "spear", "show", sweep[0], "defense.max_norm", "batch_size")
    assert said.code == 0, said.error
    found = [[cell.strip() for cell in each[:2]] for each in lines(said.out)[1:]]
    assert found == [["9.5", "3"], ["9.5", "10"], ["10", "3"], ["10", "10"]]


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(sweep, width):
    text = shown(sweep[0], width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
