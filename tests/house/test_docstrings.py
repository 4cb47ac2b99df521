"""A docstring's first line is an imperative or a noun phrase with its noun."""

import ast
from collections.abc import Iterator

import pytest
from support.sources import SOURCES

VAGUE = {"What", "How", "Where", "Whether", "Of", "One", "See", "Why", "When", "Which", "That"}
"""First words of a sentence that does not name what there is, or what is returned."""


def public(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names and docstrings of what a module offers, the module itself included."""
    yield "module", ast.get_docstring(tree) or ""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, ast.get_docstring(node) or ""


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_docstrings_begin_with_a_verb_or_a_noun(module):
    tree = ast.parse(SOURCES[module].read_text())
    vague = [
        f"{name}: {text.splitlines()[0]}"
        for name, text in public(tree)
        if text and text.split()[0].strip(".,:;") in VAGUE
    ]
    assert not vague
