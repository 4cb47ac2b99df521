"""The rooms of spear/inversion follow the mathematics bottom up: none imports from a later one."""

import ast
from pathlib import Path

import pytest

import spear.inversion

ORDER = (
    "factors", "directions", "sampling", "descent", "completion", "inputs", "labels", "pair",
    "gated", "network",
)  # fmt: skip
ROOT = Path(spear.inversion.__file__).parent


def test_every_room_has_its_place():
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(ORDER)


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_from_earlier_rooms_alone(room):
    earlier = ORDER[: ORDER.index(room) + 1]
    for path in (ROOT / room).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if module.startswith("spear.inversion"):
                assert (*module.split("."), "")[2] in earlier, f"{path.name} imports {module}"


def test_every_name_that_is_handed_out_is_found():
    for name in spear.inversion.__all__:
        assert getattr(spear.inversion, name).__name__ == name
