"""The code that computes results, and its digest without docstrings and comments."""

import ast
import gc
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any

import spear

SOURCES = Path(spear.__file__).parent
"""Folder whose source files enter the key, except those of `APART`."""

APART = ("analysis", "auditing", "conf", "experiments/cli", "experiments/sweep",
    "experiments/tracking", "results")  # fmt: skip
"""Folders that compute no result, except for `COMPUTING` in them."""

COMPUTING = ("experiments/cli/run.py",)
"""The loop over batches, the only file of `APART` that enters the key."""


@cache
def sources() -> dict[str, bytes]:
    """Return the sources as they are at the first call; call it when they are loaded.

    Returns:
        Path below `SOURCES` -> content of every file that may change a result, sorted.
    """
    found = {}
    for folder, _, names in os.walk(SOURCES, followlinks=True):  # a checkout links its rooms
        for name in names:
            path = Path(folder, name)
            inside = path.relative_to(SOURCES)
            apart = any(inside.is_relative_to(each) for each in APART)
            if path.suffix == ".py" and (not apart or inside.as_posix() in COMPUTING):
                found[inside.as_posix()] = path.read_bytes()
    return dict(sorted(found.items()))


@cache
def code_hash() -> str:
    """Return the digest of `sources`.

    A changed docstring or comment does not change the digest. A change of code does, committed or
    not.
    """
    lines = [f"{path}\n{fingerprint(content)}\n" for path, content in sources().items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def fingerprint(source: bytes) -> str:
    """Return the digest of a Python source without its docstrings, comments and layout.

    Raises:
        SyntaxError: it is not Python.
    """
    found: list[str] = []
    collecting = gc.isenabled()
    gc.disable()  # trees have many nodes and no circles; twice as fast
    try:
        _write_tree(ast.parse(source), found)
    finally:
        if collecting:
            gc.enable()
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _write_tree(node: ast.AST, to: list[str]) -> None:
    """Append a tree as text, like `ast.dump` but in a third of its time, without empty fields."""
    to.append(type(node).__name__)
    for name, value in ast.iter_fields(node):
        if value is None or value == [] or name == "ctx":
            continue
        many = value if isinstance(value, list) else [value]
        many = [each for each in many if not _is_text(each)]
        to.append(f"{name} {len(many)}")
        for each in many:
            if isinstance(each, ast.AST):
                _write_tree(each, to)
            else:
                to.append(repr(each))


def _is_text(node: Any) -> bool:
    """Return whether a statement is a docstring, of a module, class, function or constant."""
    text = node.value if isinstance(node, ast.Expr) else None
    return isinstance(text, ast.Constant) and isinstance(text.value, str)
