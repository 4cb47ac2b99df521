"""The house stands: every room imports from lower floors alone, so that there is no circle."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.sources import ROOT, SOURCES

import spear

FLOORS = (
    ("errors", "seeding", "spelling", "version"),
    ("settings", "validation", "naming"),
    ("domain", "probing", "reading", "reconstruction", "second_derivatives"),
    ("tracing",),
    ("activations", "folding"),
    ("layers", "observation"),
    ("pairs",),
    ("chains", "transformer"),
    ("update",),
    ("attack", "whole_update"),
    ("budget",),
    ("data",),
    ("networks",),
    ("inversion.factors",),
    ("inversion.directions",),
    ("inversion.sampling",),
    ("inversion.descent",),
    ("inversion.completion",),
    ("inversion.inputs", "inversion.labels", "inversion.pair"),
    ("inversion.gated", "inversion.network"),
    ("inversion",),
    ("baselines.gradient_matching",),
    ("baselines.generative",),
    (
        "baselines.april",
        "baselines.ci_net",
        "baselines.dictionary_learning",
        "baselines.ggl",
        "baselines.gias",
        "baselines.gifd",
        "baselines.gradinversion",
        "baselines.label_recovery",
        "baselines.lt_peeling",
        "baselines.neuron_exclusivity",
        "baselines.tableak",
    ),
    ("baselines.cocktail_party",),
    ("baselines.feature_inversion",),
    ("baselines",),
    ("client.defenses", "client.risk"),
    ("client",),
    ("scoring",),
    ("text", "vision"),
    ("auditing",),
    ("api",),
    ("spear",),
    ("experiments.config",),
    ("experiments.record",),
    ("experiments.tracking",),
    ("experiments.job",),
    ("experiments.sweep",),
    ("experiments",),
    ("analysis.records",),
    ("analysis.render",),
    ("analysis.statistics",),
    ("analysis.paper",),
    ("analysis.tables", "analysis.figures"),
    ("analysis.overview",),
    ("analysis.report", "analysis.workspaces"),
    ("analysis",),
    ("experiments.cli",),
)
"""From the ground up. A room may import from the floors below its own."""

SUITES = {"inversion", "baselines", "client", "experiments", "analysis"}
"""Rooms that have rooms of their own."""


def room(module: str) -> str:
    """The room of a module: `spear.client.defenses.dpsgd` stands in `client.defenses`."""
    parts = module.split(".")[1:]
    if not parts:
        return "spear"
    within = ".".join(parts[:2])
    is_suite = parts[0] in SUITES and (ROOT / Path(*parts[:2])).is_dir() and len(parts) > 1
    if is_suite or within in FLOOR:
        return within
    return parts[0]


FLOOR = {each: level for level, rooms in enumerate(FLOORS) for each in rooms}


def imports(path: Path) -> set[str]:
    """The modules of the package that a module imports, lazily or not."""
    found = set()
    tree = ast.parse(path.read_text())
    if path == SOURCES["spear"]:  # what it names of upper rooms, it imports when asked for
        tree.body = [each for each in tree.body if not is_for_types(each)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "spear":
            inner = {f"{node.module}.{each.name}" for each in node.names}
            found |= {each if each in SOURCES else str(node.module) for each in inner}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names if each.name.split(".")[0] == "spear"}
    return found


def is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_a_module_imports_from_its_room_and_lower_floors_alone(module):
    own = room(module)
    assert own in FLOOR, f"{module}: add its room to FLOORS"
    higher = {
        each
        for each in imports(SOURCES[module])
        if room(each) != own and FLOOR[room(each)] >= FLOOR[own]
    }
    assert not higher


def test_what_the_package_imports_later_is_what_type_checkers_see():
    (block,) = filter(is_for_types, ast.parse(SOURCES["spear"].read_text()).body)
    named = {each.name: node.module for node in block.body for each in node.names}
    assert named == spear.LATER
    assert named.keys() <= {*spear.__all__}
    assert all(getattr(spear, name).__module__ == module for name, module in named.items())


def test_to_import_the_package_imports_neither_torch_nor_an_upper_room():
    code = "import spear, sys; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    upper = re.compile(r"(spear\.analysis|spear\.experiments|torch|hydra|matplotlib|wandb)\b")
    assert not [each for each in said.stdout.split() if upper.match(each)]


def test_no_room_is_named_that_is_not_there():
    assert {room(module) for module in SOURCES} == set(FLOOR)


def test_nothing_imports_the_folders_by_their_own_names():
    """`experiments` and `analysis` lie at the top of a checkout, too: two copies of a module."""
    for folder in ("spear", "experiments", "analysis", "tests", "benchmarks", "examples"):
        for path in (ROOT.parent / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
                assert not {each.split(".")[0] for each in names} & {"experiments", "analysis"}, (
                    path
                )
