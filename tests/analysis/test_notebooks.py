"""Notebooks run, and are committed with what they show: tutorials, and committed results by topic.

A change of a table or a figure needs its notebook executed again: `make notebooks`.
"""

import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

import spear
import spear.analysis.figures
import spear.analysis.tables
from spear.analysis.overview.notebook import show
from spear.analysis.records.store import JOBS, RESULTS
from spear.analysis.render.packages import modules, names
from spear.analysis.render.rendering import experiments_of

ROOT = RESULTS.parent
TUTORIALS = ("attack_a_gradient", "audit_a_model", "explore")
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
TOPICS = [name for name in NOTEBOOKS if name not in TUTORIALS]
LARGEST = 330_000
"""Bytes of a notebook with what it shows."""


def read(name: str) -> NotebookNode:
    return nbformat.read(NOTEBOOKS[name], as_version=4)


def shown(notebook: NotebookNode) -> list[str]:
    """The names of the figures and tables that it shows."""
    return [name for cell in notebook.cells for name in re.findall(r'show\("(\w+)"\)', cell.source)]


def has_results(name: str) -> bool:
    found = [
        modules(package).get(name) for package in (spear.analysis.figures, spear.analysis.tables)
    ]
    needed = [each for module in found if module for each in module.EXPERIMENTS]
    return any(found) and all((RESULTS / each).exists() for each in needed)


def executed(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, work: Path) -> NotebookNode:
    """The notebook after all of its cells, run in a folder; raises what a cell raises."""
    monkeypatch.setenv("IPYTHONDIR", str(work))
    notebook = read(name)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return notebook


def kinds(notebook: NotebookNode) -> dict[str, list[set[str]]]:
    """The forms in which each cell shows each of its outputs."""
    return {
        cell.id: [{*output.get("data", ())} for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    }


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_is_committed_with_small_outputs(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert NOTEBOOKS[name].stat().st_size < LARGEST
    shown = {form for outputs in kinds(notebook).values() for each in outputs for form in each}
    assert {"image/png", "text/html"} <= shown
    assert all(
        output.output_type != "error" and output.get("name") != "stderr"
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_shows_again_what_it_was_committed_with(name, tmp_path, monkeypatch):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    again = executed(name, folder, monkeypatch, tmp_path)
    assert kinds(again) == kinds(read(name))
    tables = [o.data["text/html"] for c in again.cells for o in c.get("outputs", [])
        if "text/html" in o.get("data", {})]  # fmt: skip
    assert all("<table" in each or "exact" in each or "estimated" in each for each in tables)


@pytest.mark.slow
def test_explore_opens_a_folder_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    keys = ["dataset=digits", "n_batches=2", "batch_size=2,3", "tracking=off", "defense=dpsgd"]
    spear.run([*keys, "defense.noise_std=1e-7,1e-6", f"output_root={tmp_path / 'outputs'}"])
    notebook = executed("explore", tmp_path / "notebooks", monkeypatch, tmp_path)
    said = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    assert said["open"][0].data["text/plain"] == "(4, 8)"
    assert "'defense.noise_std'" in said["differ"][0].data["text/plain"]
    assert [*map(len, kinds(notebook).values())] == [*map(len, kinds(read("explore")).values())]


@pytest.mark.slow
@pytest.mark.parametrize("name", TOPICS)
def test_a_notebook_shows_what_has_results_and_names_what_is_missing(name, tmp_path, monkeypatch):
    notebook = executed(name, ROOT, monkeypatch, tmp_path)
    texts = [
        output.data["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "execute_result"
    ]
    assert len(texts) == len(shown(notebook)) > 0
    for item, text in zip(shown(notebook), texts, strict=True):
        assert ("<img" in text or "<table" in text) == has_results(item), text
        assert ("Missing: " in text) != has_results(item), text


@pytest.mark.parametrize("name", TOPICS)
def test_a_notebook_of_a_topic_is_committed_with_small_outputs(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert NOTEBOOKS[name].stat().st_size < LARGEST
    for cell in notebook.cells:
        for item in re.findall(r'show\("(\w+)"\)', cell.source):
            (output,) = cell.outputs
            text = output.data["text/html"]
            assert ("<img" in text or "<table" in text) == has_results(item), item


@pytest.mark.parametrize("name", TOPICS)
def test_a_notebook_shows_the_rendered_tables(name):
    """The cells of `results/rendered/tables`, which a test compares with the records."""
    for cell in read(name).cells:
        for item in re.findall(r'show\("(\w+)"\)', cell.source):
            rendered = RESULTS / "rendered" / "tables" / f"{item}.md"
            if not rendered.is_file():
                continue
            rows = [each for each in rendered.read_text().splitlines() if each[:1] == "|"][2:]
            shown = re.findall(r"<td>(.*?)</td>", cell.outputs[0].data["text/html"], re.S)
            expected = [len(re.split(r"(?<!\\)\|", row)) - 2 for row in rows]
            assert len(shown) == sum(expected), item


def test_explore_draws_over_what_was_swept():
    """Limits of the attack differ between some jobs, and are no axis."""
    (cell,) = (each for each in read("explore").cells if each.id == "differ")
    frame = pd.DataFrame({"attack.time_limit": [30, 60], "attack.seed": [1, 2],
        "defense.noise_std": [1e-6, 1e-5], "network.width": [200, 200]})  # fmt: skip
    found = {"frame": frame}
    exec(cell.source, found)
    assert (found["varied"], found["X"]) == (["defense.noise_std"], "defense.noise_std")


def test_every_figure_and_table_is_in_exactly_one_notebook():
    """What is missing here gets a cell `show("<name>")` in the notebook of its topic."""
    everything = [item for name in NOTEBOOKS for item in shown(read(name))]
    assert len(everything) == len(set(everything))
    there = {*names(spear.analysis.figures), *names(spear.analysis.tables)}
    assert there - set(everything) == set()


def test_every_experiment_with_results_is_in_a_notebook():
    """What is missing here gets a figure or a table, and that a cell."""
    everything = {item for name in NOTEBOOKS for item in shown(read(name))}
    covered = {
        experiment
        for package in (spear.analysis.figures, spear.analysis.tables)
        for name, module in modules(package).items()
        if name in everything
        for experiment in experiments_of(module)
    }
    assert {path.parent.name for path in RESULTS.rglob(JOBS)} - covered == set()


def test_a_figure_and_a_table_of_one_name_are_shown_together():
    found = show("side_by_side")
    assert found.html.count("<img") == found.html.count("<table") == 1
    assert "Measured on " in found.html


@pytest.mark.parametrize(
    ("name", "said"), [("table3", "spear experiment=table3"), ("colours", "no table 'colours'")]
)
def test_what_is_missing_is_said_in_one_line(name, said, tmp_path: Path):
    found = show(name, tmp_path)
    assert said in repr(found)
    assert repr(found).startswith("Missing: ")
    assert "\n" not in repr(found)
    assert found.html.count("<p>") == 1
