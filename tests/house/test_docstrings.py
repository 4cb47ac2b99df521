"""A docstring's first line is an imperative or a noun phrase, and its sections can be parsed."""

import ast
import inspect
import re
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


SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):")
ENTRY = re.compile(r" {4}[\w`*., ()]+:")
"""Entry of a section of names: `name: text`, or several names, on one line with their colon."""


def unparsed(text: str) -> list[str]:
    """Lines of a docstring's sections that the site's parser refuses, and its strict build too."""
    section, found = "", []
    for line in filter(str.strip, text.splitlines()):
        indent = len(line) - len(line.lstrip())
        if not indent:
            section = line[:-1] if SECTION.fullmatch(line) else ""
        nameless = section in ("Args", "Attributes", "Raises") and not ENTRY.match(line)
        if section and (4 < indent < 8 or (indent == 4 and nameless)):
            found.append(line)
    return found


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_sections_of_docstrings_can_be_parsed(module):
    tree = ast.parse(SOURCES[module].read_text())
    found = [(name, unparsed(inspect.cleandoc(text))) for name, text in public(tree)]
    assert [each for each in found if each[1]] == []


def test_what_the_parser_refuses_is_found():
    right = "Do.\n\nArgs:\n    a, b: one,\n        two.\n"
    assert unparsed(right) == []
    assert unparsed(right.replace("a, b:", "a, b,")) == ["    a, b, one,"]
    assert unparsed("Do.\n\nReturns:\n    - a\n      b") == ["      b"]
