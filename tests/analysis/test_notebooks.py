"""Notebooks run from the committed results alone, and are committed without what they show."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

import spear.analysis.figures
import spear.analysis.tables
from spear.analysis.overview.notebook import show
from spear.analysis.records.store import JOBS, RESULTS
from spear.analysis.render.packages import modules, names
from spear.analysis.render.rendering import experiments_of

ROOT = RESULTS.parent
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}


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


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_shows_what_has_results_and_names_what_is_missing(name, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = read(name)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    )
    client.execute()  # raises what a cell raises
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


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_committed_without_outputs(name):
    notebook = read(name)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


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
