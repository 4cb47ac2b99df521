"""Values in the headers of experiments, filled in from the records.

A header chooses them by one of these lines, and the values stand below it:

    # Cells (MNIST): table3 psnr,accuracy dataset=mnist   cells of a table of the paper: all three
    # Records (b = 20): batch_size=20 dataset=cifar10     batches of its own records: "Ours"
    # Rerun (CI-Net): attack=ci_net                       batches of its own records: "Again"

The last two may name another experiment first: `figure4 batch_size=20`.
"""

import textwrap
from collections.abc import Iterator

from spear.analysis.overview.cells import batches_in_brief, in_brief
from spear.experiments.config.experiments import FIELD

WIDTH = 110
"""Columns of a line of a header."""

FILLED_IN = {"Cells": ("Paper", "Again", "Ours"), "Records": ("Ours",), "Rerun": ("Again",)}
"""Line that chooses -> the lines that are filled in."""


def renewed_header(text: str, experiment: str) -> str:
    """Return the text of an experiment's file with the values of its header filled in anew.

    Raises:
        ConfigError: a line chooses nothing.
        FileNotFoundError: the experiment has no results.
    """
    lines = text.splitlines(keepends=True)
    n = next((k for k, each in enumerate(lines) if not each.startswith("#")), len(lines))
    kept, filled_in = "", set[tuple[str, str]]()
    for line in _joined(lines[:n]):
        found = FIELD.fullmatch(_content(line))
        key, part, named = found.groups(default="") if found else ("", "", "")
        if (key, part) in filled_in:
            continue
        kept += line
        if key in FILLED_IN:
            filled_in |= {(each, part) for each in FILLED_IN[key]}
            kept += _values(key, part, named, experiment)
    return kept + "".join(lines[n:])


def _values(key: str, part: str, named: str, experiment: str) -> str:
    if key != "Cells":
        first, _, rest = named.partition(" ")
        other = (experiment, named) if "=" in first else (first, rest)
        return _line(FILLED_IN[key][0], part, batches_in_brief(*other))
    found = in_brief(named)
    values = zip(FILLED_IN[key], (found.paper, found.again, found.ours), strict=True)
    return "".join(_line(name, part, value) for name, value in values if value)


def _line(key: str, part: str, value: str) -> str:
    text = f"{key}{f' ({part})' if part else ''}: {value}"
    wrapped = textwrap.wrap(text, WIDTH - 2, subsequent_indent="  ", break_on_hyphens=False)
    return "".join(f"# {each}\n" for each in wrapped)


def _joined(comment: list[str]) -> Iterator[str]:
    """Yield the lines of a comment, each with those that continue it."""
    line = ""
    for each in comment:
        if line and not each.startswith("#   "):
            yield line
            line = ""
        line += each
    if line:
        yield line


def _content(line: str) -> str:
    return " ".join(each.removeprefix("#").strip() for each in line.splitlines())
